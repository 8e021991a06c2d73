"""Sweep webhook deliveries whose next attempt is long overdue: start their executions, or end them as failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord
from heliograph.webhooks.delivery import DeliveryStatus

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow

# Pause after a sweep has looked at a delivery: its execution may wait for free concurrency, or it cannot be fixed.
_ATTENTION_PAUSE = timedelta(hours=1)
# Deliveries per sweep; each takes a few calls.
_MAX_SWEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySweeper:
    """Finds deliveries without a running execution."""

    deliveries: DeliveryStore
    workflow: DeliveryWorkflow
    clock: Clock

    def sweep(self, *, limit: int = _MAX_SWEPT) -> list[str]:
        """Starts the execution of each overdue delivery; returns one line per delivery that it changed or left.

        Starting a running execution changes nothing. If the execution ended without ending the delivery, the delivery
        has failed: the tenant sees that, and can replay it. Costs two queries if nothing is overdue. Raises
        `StorageFailed` if the queries fail; an error of one delivery delays no other.
        """
        now = self.clock.now()
        overdue = self.deliveries.needing_attention(now, limit=limit)
        lines = (self._sweep_one(delivery_id, now) for delivery_id in overdue)
        return [line for line in lines if line]

    def _sweep_one(self, delivery_id: str, now: datetime) -> str | None:
        """A line that says what was done; `None` if nothing was."""
        try:
            # First of all: if this run dies of the delivery, the next one begins with the others.
            self.deliveries.postpone_attention(delivery_id, now + _ATTENTION_PAUSE)
            delivery = self.deliveries.get(delivery_id)
            if delivery is None or delivery.attention_at is None or delivery.attention_at > now:
                return None
            if self.workflow.start(delivery):
                return f"started {delivery.execution}"
            # That execution has ended, and may have ended the delivery since.
            delivery = self.deliveries.get(delivery_id)
            if delivery is None or delivery.attention_at is None or delivery.attention_at > now:
                return None
            self.deliveries.save(delivery.ended(DeliveryStatus.FAILED, now))
        except StaleRecord:
            return None
        except Exception as error:
            return f"left {delivery_id}: {type(error).__name__}: {error}"
        return f"failed {delivery.execution}: its execution is over"
