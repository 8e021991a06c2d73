"""One attempt at a webhook delivery, or the end of a delivery whose execution ended early."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.monitoring.logging import noted, observed, tell
from heliograph.monitoring.metrics import of_delivery
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.send_webhook import SendWebhookSettings
from heliograph.runtime.wiring import webhooks
from heliograph.webhooks.delivery import DeliveryCrashed, DeliveryTurn
from pydantic import ConfigDict, TypeAdapter

sender = webhooks.delivery_sender(read_settings(SendWebhookSettings))
read: TypeAdapter[DeliveryTurn | DeliveryCrashed] = TypeAdapter(
    DeliveryTurn | DeliveryCrashed, config=ConfigDict(hide_input_in_errors=True)
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    outcome = sender.send(read.validate_python(event))
    document = outcome.model_dump(mode="json")
    facts = {name: value for name, value in document.items() if name not in {"outcome", "attempt"}}
    noted("delivery ended" if outcome.outcome == "done" else "delivery retry scheduled", **facts)
    tell(of_delivery(outcome), delivery_id=outcome.delivery_id)
    return document
