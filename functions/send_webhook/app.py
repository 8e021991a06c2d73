"""One attempt at a webhook's delivery; or, of an execution that ended early, the delivery's end."""

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

deliver = webhooks.deliverer(read_settings(SendWebhookSettings))
read: TypeAdapter[DeliveryTurn | DeliveryCrashed] = TypeAdapter(
    DeliveryTurn | DeliveryCrashed, config=ConfigDict(hide_input_in_errors=True)
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    outcome = deliver(read.validate_python(event))
    told = outcome.model_dump(mode="json")
    noted(f"Delivery_{outcome.outcome}", **{name: told[name] for name in told if name not in {"outcome", "tried"}})
    tell(of_delivery(outcome), delivery_id=outcome.delivery_id)
    return told
