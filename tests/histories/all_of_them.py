"""Every history, by the state machine that it is one of."""

from __future__ import annotations

from tests.histories import image_job, webhook_delivery

HISTORIES = {
    "ImageJob": {history.name: history for history in image_job.HISTORIES},
    "WebhookDelivery": {history.name: history for history in webhook_delivery.HISTORIES},
}
