"""Every few minutes: start what never started, close what is stuck."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.runtime import wiring
from heliograph.runtime.observability import count, logger, observed

sweep = wiring.sweeper()


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> list[str]:
    done = sweep(time_left=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
    count("Sweep")
    for line in done:
        logger.warning("swept", extra={"did": line})
        count("JobSwept")
    return done
