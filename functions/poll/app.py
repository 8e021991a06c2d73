"""Ask the provider once how the task is."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.outcomes import Processing
from heliograph.runtime import wiring
from heliograph.runtime.observability import decided, observed

poll = wiring.poller()


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    waiting = Processing.model_validate(event)
    outcome = poll(waiting.job_id, waiting.watch)
    decided(outcome)
    return outcome.model_dump(mode="json")
