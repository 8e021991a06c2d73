"""The port of route states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.routes.config import Route
    from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause


class RouteStates(Protocol):
    """What all functions know together of the routes. Every method raises `StorageFailed`."""

    def look(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """The kill switch and the state of these routes; one that was never used has its starting state."""
        ...

    def queue(self, route: Route, tenant: str, *, step: int, beyond: int) -> RouteState | None:
        """Adds `step` to the tenant's lane, in one atomic write, and returns the state after it.

        `None`, and nothing written, unless the lane is given out beyond that virtual time already.
        """
        ...

    def save(self, before: RouteState, after: RouteState) -> bool:
        """Writes what differs; `False`, and nothing written, if somebody else was faster."""
        ...

    def running(self, route: Route) -> int:
        """How many tasks are counted on the route."""
        ...

    def halt(self, halt: SpendingPause | None) -> None:
        """Pulls the kill switch, or releases it."""
        ...
