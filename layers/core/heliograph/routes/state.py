"""State of the routes that all functions share: queue, circuit and latencies of each route, and the spending pause."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.fair_queue import FairQueue
from heliograph.routes.poll_schedule import Latencies


class RouteState(BaseModel):
    """Shared state of one route."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    route: str
    queue: FairQueue
    breaker: Breaker = Breaker()
    latencies: Latencies = Latencies()
    revision: int = 0
    """Revision of everything but the finish tags of the queue, which are extended without a new one."""

    def with_queue(self, queue: FairQueue) -> RouteState:
        """The state with another queue."""
        return self.model_copy(update={"queue": queue})

    def with_breaker(self, breaker: Breaker) -> RouteState:
        """The state with another circuit breaker."""
        return self.model_copy(update={"breaker": breaker})

    def with_latencies(self, latencies: Latencies) -> RouteState:
        """The state with other latencies."""
        return self.model_copy(update={"latencies": latencies})


class SpendingPause(BaseModel):
    """The kill switch: no create call leaves until an operator resumes spending."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    since: AwareDatetime
    reason: str


class RoutesSnapshot(BaseModel):
    """State of some routes and the spending pause, read together; a few milliseconds old at most."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    spending_pause: SpendingPause | None
    routes: Mapping[str, RouteState]
