"""Store the results of a job, or record why there are none; publish the event."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.execution.outcomes import FinalizeInput
from heliograph.monitoring.logging import decided, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.finalize_job import FinalizeJobSettings
from heliograph.runtime.wiring import execution
from pydantic import ConfigDict, TypeAdapter

finalizer = execution.finalizer(read_settings(FinalizeJobSettings))
read: TypeAdapter[FinalizeInput] = TypeAdapter(FinalizeInput, config=ConfigDict(hide_input_in_errors=True))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    outcome = finalizer.finalize(read.validate_python(event))
    decided(outcome)
    return outcome.model_dump(mode="json")
