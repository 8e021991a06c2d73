"""Look how things stand, for whoever watches over a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.monitoring.metrics import HealthSnapshot
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route
from heliograph.routes.control import RouteControl

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader

# Four sweeps: whatever one of them can move has moved by then, and an orphan is looked at by each.
LONG_OVERDUE = timedelta(minutes=20)


def check_health(
    *, jobs: JobReader, routes: Sequence[Route], control: RouteControl, limit: int = 1000
) -> HealthSnapshot:
    """Counts the jobs that should have moved long ago (`limit` at most), and the routes that take no calls.

    A route that is being probed still counts, as do all of them while the switch is off. Costs one query per shard of
    open jobs and one read of the routes. Raises `StorageFailed`.
    """
    now = control.clock.now()
    snapshot = control.states.snapshot(routes)
    shut = [
        route
        for route in routes
        if snapshot.spending_pause or snapshot.routes[route.name].breaker.circuit(now) != Circuit.CLOSED
    ]
    return HealthSnapshot(
        stuck_jobs=len(jobs.needing_attention(now - LONG_OVERDUE, limit=limit)), unavailable_routes=len(shut)
    )
