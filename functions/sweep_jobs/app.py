"""Every few minutes: start jobs that never started, recover jobs that are stuck."""

from datetime import timedelta
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.monitoring.logging import logger, observed, tell
from heliograph.monitoring.metrics import of_sweep
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings
from heliograph.runtime.wiring import execution, monitoring

settings = read_settings(SweepJobsSettings)
sweeper, look_around = execution.sweeper(settings), monitoring.surveyor(settings)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> list[str]:
    done = sweeper.sweep(time_left=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
    for line in done:
        logger.warning("swept", extra={"did": line})
    tell(of_sweep(len(done), look_around()))
    return done
