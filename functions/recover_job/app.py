"""Recover a job whose workflow crashed: the workflow's last resort."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.execution.outcomes import Crashed
from heliograph.monitoring.logging import decided, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.recover_job import RecoverJobSettings
from heliograph.runtime.wiring import execution

recoverer = execution.recoverer(read_settings(RecoverJobSettings))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    crashed = Crashed.model_validate(event)
    outcome = recoverer.recover(crashed.job_id, crashed.error, watch=crashed.watch)
    decided(outcome)
    return outcome.model_dump(mode="json")
