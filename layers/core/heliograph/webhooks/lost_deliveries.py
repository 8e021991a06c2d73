"""Find webhook deliveries that nothing carries any more, and carry them on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord
from heliograph.webhooks.delivery import DeliveryStatus

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow

# An execution that waits for a free function is left alone that long, and so is a delivery that could not be helped.
_LOOKED_AT_EVERY = timedelta(hours=1)
# In one sweep, which takes a few calls for each.
_MOST = 200


def carry_on(*, deliveries: DeliveryStore, workflow: DeliveryWorkflow, clock: Clock, limit: int = _MOST) -> list[str]:
    """Starts the execution of each delivery whose next attempt is long overdue; returns what was done, one entry each.

    To start one that runs changes nothing. Where it has ended without ending the delivery, the delivery has failed:
    that can be seen, and it can be replayed. Costs two queries where nothing is overdue. Raises `StorageFailed` if it
    can't look; what goes wrong with one delivery keeps no other waiting.
    """
    now = clock.now()
    overdue = deliveries.needing_attention(now, limit=limit)
    looked_after = (_look_after(each, now, deliveries=deliveries, workflow=workflow) for each in overdue)
    return [did for did in looked_after if did]


def _look_after(
    delivery_id: str, now: datetime, *, deliveries: DeliveryStore, workflow: DeliveryWorkflow
) -> str | None:
    """What was done; `None` if it needs nothing after all."""
    try:
        # Before anything else: should this run die of it, the others have their turn.
        deliveries.look_again(delivery_id, now + _LOOKED_AT_EVERY)
        delivery = deliveries.get(delivery_id)
        if delivery is None or delivery.attention_at is None or delivery.attention_at > now:
            return None
        if workflow.start(delivery):
            return f"started {delivery.execution}"
        # That execution is over, and may have ended the delivery since.
        delivery = deliveries.get(delivery_id)
        if delivery is None or delivery.attention_at is None or delivery.attention_at > now:
            return None
        deliveries.save(delivery.ended(DeliveryStatus.FAILED, now))
    except StaleRecord:
        return None
    except Exception as error:
        return f"left {delivery_id}: {type(error).__name__}: {error}"
    return f"failed {delivery.execution}: its execution is over"
