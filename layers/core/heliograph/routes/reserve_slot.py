"""Reserve a slot in a route's fair queue: one atomic write hands it out, arithmetic gives its start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import Ticket, Weights, slot_length
from heliograph.routes.state import RouteState

if TYPE_CHECKING:
    from heliograph.routes.ports import RouteStates


@dataclass(frozen=True, slots=True)
class QueueSlot:
    """A slot in the queue, and its start if nothing else happens."""

    ticket: Ticket
    starts_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSlots:
    """Slots in the fair queues of all routes."""

    states: RouteStates
    weights: Weights

    def reserve(
        self,
        route: Route,
        tenant: str,
        *,
        state: RouteState,
        ticket: Ticket | None,
        before: datetime,
        now: datetime,
    ) -> QueueSlot | None:
        """The slot of the `ticket`, as things are now; without a ticket for this route, a new slot.

        Returns `None`, and reserves nothing, if a new slot would start at `before` or later. Costs one write for a new
        slot, and none for a ticket. Raises `StorageFailed`.
        """
        if ticket and ticket.route == route.name:
            return self._slot(state, tenant, ticket.finish_tag)

        def queue(state: RouteState) -> QueueSlot | None:
            joined = state.queue.with_slot(tenant, now, self.weights)
            finish_tag = joined.finish_tags[tenant]
            if joined.starts_at(tenant, finish_tag, self.weights) >= before:
                return None
            if state.queue.is_backlogged(tenant, now, self.weights):
                beyond = state.queue.virtual_time_at(now, self.weights)
                length = slot_length(tenant, self.weights)
                if after := self.states.extend_flow(route, tenant, length=length, beyond=beyond):
                    return self._slot(after, tenant, after.queue.finish_tags[tenant])
            elif self.states.save(state, state.with_queue(joined)):
                return self._slot(state.with_queue(joined), tenant, finish_tag)
            raise StaleRecord(route.name)

        # Of many jobs that join an idle flow in the same moment one is first; the others then find the flow backlogged.
        return update_with_retry(
            lambda: self.states.snapshot([route]).routes[route.name],
            queue,
            first=state,
            give_up=StorageFailed(f"the queue of {route.name} changes too often at the moment"),
        )

    def _slot(self, state: RouteState, tenant: str, finish_tag: int) -> QueueSlot:
        ticket = Ticket(route=state.route, finish_tag=finish_tag)
        return QueueSlot(ticket, state.queue.starts_at(tenant, finish_tag, self.weights))
