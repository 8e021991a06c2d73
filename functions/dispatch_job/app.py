"""Create the job's task at the provider: at most one create call, never a blind second one."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.execution.outcomes import DispatchInput
from heliograph.monitoring.logging import decided, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.dispatch_job import DispatchJobSettings
from heliograph.runtime.wiring import execution

dispatcher = execution.dispatcher(read_settings(DispatchJobSettings))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    outcome = dispatcher.dispatch(DispatchInput.model_validate(event), run_id=context.aws_request_id)
    decided(outcome)
    return outcome.model_dump(mode="json")
