"""Events of a route that takes no calls, or takes them again."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from heliograph.kernel.event_envelope import Envelope, Published
from heliograph.kernel.ids import derived_id
from heliograph.routes.circuit_breaker import FIRST_COOLDOWN, Breaker
from heliograph.routes.config import Route

# Tenants' webhooks carry the event. An operator's own words are for operators, who read them in `make routes`.
_DISABLED = "an operator disabled the route"


class _RouteSwitched(Published):
    route: str
    provider: str
    model: str


class RouteOpenedData(_RouteSwitched):
    """A route takes no calls: it kept failing, or an operator disabled it."""

    opened_at: AwareDatetime
    cause: Annotated[str, Field(description="The failure that opened it, or that an operator disabled it.")]
    probed_from: Annotated[
        AwareDatetime | None, Field(description="When it is first tried again; null: when an operator enables it.")
    ]


class RouteClosedData(_RouteSwitched):
    """A route takes calls again."""

    closed_at: AwareDatetime


class RouteOpened(Envelope):
    """`image.route.opened`"""

    event_type: ClassVar = "image.route.opened"
    data: RouteOpenedData


class RouteClosed(Envelope):
    """`image.route.closed`"""

    event_type: ClassVar = "image.route.closed"
    data: RouteClosedData


def route_switched(route: Route, breaker: Breaker) -> RouteOpened | RouteClosed | None:
    """Event of the last change of a route's circuit; `None` if it never changed."""
    names = {"route": route.name, "provider": route.provider, "model": route.model}
    if found := breaker.open_circuit:
        # The first cooldown: the results of later probes do not change the event.
        probed_from = found.opened_at + FIRST_COOLDOWN if found.half_open_at else None
        cause = found.cause if found.half_open_at else _DISABLED
        opened = RouteOpenedData(**names, opened_at=found.opened_at, cause=cause, probed_from=probed_from)
        event_id = derived_id("evt", "route", route.name, "opened", found.opened_at.isoformat())
        return RouteOpened(event_id=event_id, occurred_at=found.opened_at, data=opened)
    if breaker.closed_at:
        event_id = derived_id("evt", "route", route.name, "closed", breaker.closed_at.isoformat())
        closed = RouteClosedData(**names, closed_at=breaker.closed_at)
        return RouteClosed(event_id=event_id, occurred_at=breaker.closed_at, data=closed)
    return None
