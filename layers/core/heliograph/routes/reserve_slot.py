"""Wait for a turn on a route: one atomic write hands out a place, arithmetic turns it into a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import Ticket, Weights, step
from heliograph.routes.state import RouteState

if TYPE_CHECKING:
    from heliograph.routes.ports import RouteStates


@dataclass(frozen=True, slots=True)
class QueueSlot:
    """A place in the queue, and when its turn comes if nothing else happens."""

    ticket: Ticket
    moment: datetime


def turn_on(
    route: Route,
    tenant: str,
    *,
    state: RouteState,
    ticket: Ticket | None,
    before: datetime,
    now: datetime,
    weights: Weights,
    states: RouteStates,
) -> QueueSlot | None:
    """The turn of the `ticket`, as things are now; without one for this route, a new place at the end of the lane.

    `None`, and no place taken, if a new turn would come after `before`. Costs one write for a new place, and none to
    look again. Raises `StorageFailed`.
    """
    if ticket and ticket.route == route.name:
        return QueueSlot(ticket, state.pace.moment(tenant, ticket.place, weights))

    def queue(state: RouteState) -> QueueSlot | None:
        joined = state.pace.with_slot(tenant, now, weights)
        if joined.moment(tenant, joined.lanes[tenant], weights) >= before:
            return None
        if state.pace.is_waiting(tenant, now, weights):
            beyond = state.pace.virtual_at(now, weights)
            if after := states.queue(route, tenant, step=step(tenant, weights), beyond=beyond):
                return _last_in(after, tenant, weights)
        elif states.save(state, state.paced(joined)):
            return _last_in(state.paced(joined), tenant, weights)
        raise StaleRecord(route.name)

    # Of many that join an idle lane in the same moment one is first; the others then find the lane busy.
    return update_with_retry(
        lambda: states.look([route]).routes[route.name],
        queue,
        first=state,
        give_up=StorageFailed(f"the queue of {route.name} changes too often at the moment"),
    )


def _last_in(state: RouteState, tenant: str, weights: Weights) -> QueueSlot:
    place = state.pace.lanes[tenant]
    return QueueSlot(Ticket(route=state.route, place=place), state.pace.moment(tenant, place, weights))
