"""What all functions know together of the ways to the model: the pace and the circuit of each route, what its
tasks took lately, and the switch.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.fair_queue import Pace
from heliograph.routes.poll_schedule import Latencies


class RouteState(BaseModel):
    """The shared state of one route. `revision`: of everything but the lanes, which are added to without it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    route: str
    pace: Pace
    breaker: Breaker = Breaker()
    latencies: Latencies = Latencies()
    revision: int = 0

    def paced(self, pace: Pace) -> RouteState:
        """With another pace."""
        return self.model_copy(update={"pace": pace})

    def with_breaker(self, breaker: Breaker) -> RouteState:
        """With another state of its circuit."""
        return self.model_copy(update={"breaker": breaker})

    def learning(self, latencies: Latencies) -> RouteState:
        """With what is known of its tasks now."""
        return self.model_copy(update={"latencies": latencies})


class SpendingPause(BaseModel):
    """The kill switch, pulled: no create call leaves until a person lets them."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    since: AwareDatetime
    reason: str


class RoutesSnapshot(BaseModel):
    """One look at all of it, a few milliseconds old at most."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    halt: SpendingPause | None
    routes: Mapping[str, RouteState]
