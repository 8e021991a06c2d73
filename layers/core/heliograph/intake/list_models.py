"""List the routes with their limits, prices and circuits: `GET /v1/models`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.jobs.request import Policy
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route, Routes

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.routes.ports import RouteStates


@dataclass(frozen=True, slots=True)
class Models:
    """Every usable route, and the default."""

    circuits: Mapping[Route, Circuit]
    """The routes in the configured order, with their circuits."""
    default: Route
    """Route that a job takes first if it names neither a model nor a policy."""
    spending_paused: bool = False
    """An operator paused spending: no create call leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLister:
    """Lists the routes."""

    routes: Routes
    policy: Policy
    """Policy of a job that names neither a model nor a policy."""
    states: RouteStates
    clock: Clock

    def list(self) -> Models:
        """The routes as they are now: one read."""
        now = self.clock.now()
        snapshot = self.states.snapshot(self.routes)
        circuits = {route: snapshot.routes[route.name].breaker.circuit(now) for route in self.routes}
        cheapest = min(self.routes, key=lambda route: route.price_microusd)
        default = cheapest if self.policy is Policy.CHEAPEST else self.routes.default
        return Models(circuits, default, spending_paused=snapshot.spending_pause is not None)
