"""Health of the deployment: jobs that are stuck, routes that are unavailable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.monitoring.metrics import HealthSnapshot
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route
from heliograph.routes.control import RouteControl

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader

# Four sweeps: each has looked at such a job, and has moved it if it can be moved.
LONG_OVERDUE = timedelta(minutes=20)
MAX_COUNTED_JOBS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Counts stuck jobs and unavailable routes."""

    jobs: JobReader
    routes: Sequence[Route]
    control: RouteControl

    def run(self) -> HealthSnapshot:
        """Counts the jobs that are long overdue (`MAX_COUNTED_JOBS` at most) and the routes that take no calls.

        A half-open route counts as unavailable; during a spending pause all routes do. Costs one query per shard of
        open jobs and one read of the routes. Raises `StorageFailed`.
        """
        now = self.control.clock.now()
        snapshot = self.control.states.snapshot(self.routes)
        unavailable = [
            route
            for route in self.routes
            if snapshot.spending_pause or snapshot.routes[route.name].breaker.circuit(now) != Circuit.CLOSED
        ]
        overdue = self.jobs.needing_attention(now - LONG_OVERDUE, limit=MAX_COUNTED_JOBS)
        return HealthSnapshot(stuck_jobs=len(overdue), unavailable_routes=len(unavailable))
