"""Ports of the routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.routes.config import Route
    from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause


class RouteStates(Protocol):
    """Store of the routes' shared state. Every method raises `StorageFailed`."""

    def snapshot(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """Reads the spending pause and the state of these routes. A route that was never used has its initial state."""
        ...

    def extend_flow(self, route: Route, tenant: str, *, length: int, beyond: int) -> RouteState | None:
        """Adds `length` to the last finish tag of the tenant's flow, in one atomic write; returns the state after it.

        Returns `None`, and writes nothing, unless that finish tag is beyond the virtual time `beyond` already.
        """
        ...

    def save(self, before: RouteState, after: RouteState) -> bool:
        """Writes the differences. Returns `False`, and writes nothing, if another writer was faster."""
        ...

    def running(self, route: Route) -> int:
        """Number of tasks that are counted on the route."""
        ...

    def set_spending_pause(self, pause: SpendingPause | None) -> None:
        """Starts a spending pause, or ends it (`None`)."""
        ...
