"""Poll the provider once for the task's state."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.execution.outcomes import Processing
from heliograph.monitoring.logging import decided, observed, tell
from heliograph.monitoring.metrics import of_question
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.poll_task import PollTaskSettings
from heliograph.runtime.wiring import execution

poller = execution.poller(read_settings(PollTaskSettings))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    waiting = Processing.model_validate(event)
    outcome = poller.poll(waiting.job_id, waiting.watch)
    decided(outcome)
    tell(of_question(outcome, waiting.watch), job_id=waiting.job_id)
    return outcome.model_dump(mode="json")
