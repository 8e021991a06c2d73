"""Deliveries to try the rules on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import Delivery

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EVENT = ReceivedEvent(
    type="image.job.succeeded",
    version="1",
    event_id="evt_" + "a" * 26,
    occurred_at="2026-11-22T11:59:58.123456Z",
    data={"job_id": "job_" + "b" * 26, "tenant": "shop", "metadata": {"名": "夕暮れ"}},
)


def delivery(event: ReceivedEvent = EVENT, receiver: str = "ep_x", **changes: Any) -> Delivery:
    made = Delivery.for_event(
        event, tenant="shop", receiver_id=receiver, endpoint_id=receiver, url="https://x.test/", skipped=False, at=NOW
    )
    return made.model_copy(update=changes)
