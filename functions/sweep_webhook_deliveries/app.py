"""Every few minutes: start or end webhook deliveries that have no running execution."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.sweep_webhook_deliveries import SweepWebhookDeliveriesSettings
from heliograph.runtime.wiring import webhooks

sweeper = webhooks.delivery_sweeper(read_settings(SweepWebhookDeliveriesSettings))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> list[str]:
    done = sweeper.sweep()
    for line in done:
        logger.warning("delivery swept", extra={"did": line})
    return done
