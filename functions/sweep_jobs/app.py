"""Every few minutes: start jobs that never started, recover jobs that are stuck."""

from datetime import timedelta
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.monitoring.logging import emit_metrics, instrumented, logger
from heliograph.monitoring.metrics import sweep_metrics
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings
from heliograph.runtime.wiring import execution, monitoring

settings = read_settings(SweepJobsSettings)
sweeper, health_check = execution.sweeper(settings), monitoring.health_check(settings)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> list[str]:
    done = sweeper.sweep(time_left=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
    for line in done:
        logger.warning("job swept", extra={"did": line})
    emit_metrics(sweep_metrics(len(done), health_check.run()))
    return done
