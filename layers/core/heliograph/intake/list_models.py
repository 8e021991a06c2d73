"""`GET /v1/models`: the ways to the model, what each can take, what it costs, and how it is doing."""

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
    """Every usable route, in the configured order, with its circuit; and the one that a plain job takes first.

    `spending_paused`: an operator lets no create call leave.
    """

    circuits: Mapping[Route, Circuit]
    default: Route
    spending_paused: bool = False


def read_models(*, routes: Routes, policy: Policy, states: RouteStates, clock: Clock) -> Models:
    """The routes as they are now: one read. `policy`: of a job that names neither a model nor a policy."""
    now = clock.now()
    snapshot = states.snapshot(routes)
    circuits = {route: snapshot.routes[route.name].breaker.circuit(now) for route in routes}
    cheapest = min(routes, key=lambda route: route.price_microusd)
    default = cheapest if policy is Policy.CHEAPEST else routes.default
    return Models(circuits, default, spending_paused=snapshot.spending_pause is not None)
