"""One attempt at a webhook's delivery; or, of an execution that ended early, the delivery's end."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.deliveries import DeliveryCrashed, DeliveryTurn
from heliograph.runtime import wiring
from heliograph.runtime.observability import noted, observed
from pydantic import ConfigDict, TypeAdapter

deliver = wiring.deliverer()
read: TypeAdapter[DeliveryTurn | DeliveryCrashed] = TypeAdapter(
    DeliveryTurn | DeliveryCrashed, config=ConfigDict(hide_input_in_errors=True)
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    outcome = deliver(read.validate_python(event))
    told = outcome.model_dump(mode="json")
    noted(f"Delivery_{outcome.outcome}", **{name: value for name, value in told.items() if name != "outcome"})
    return told
