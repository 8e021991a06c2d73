"""A published event (bus → queue): fanned out to one delivery for each webhook receiver that wants it."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.monitoring.logging import logger, noted, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.fan_out_webhooks import FanOutWebhooksSettings
from heliograph.runtime.wiring import webhooks
from heliograph.webhooks.bus_event import BusEvent

fan_out = webhooks.webhook_fan_out(read_settings(FanOutWebhooksSettings))
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def take(record: SQSRecord) -> None:
    try:
        for delivery in fan_out.fan_out(BusEvent.model_validate_json(record.body).received_event()):
            noted(
                "delivery created",
                delivery_id=delivery.delivery_id,
                endpoint_id=delivery.endpoint_id,
                job_id=delivery.job_id,
                status=delivery.status,
            )
    except Exception:
        logger.exception("fan-out failed: SQS delivers the event again, and finally to the dead-letter queue")
        raise


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event=event, record_handler=take, processor=processor, context=context)
