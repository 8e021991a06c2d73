"""Whose turn it is on a route, and when: weighted fair queueing in virtual time.

A route makes one create call every `interval_us`. Each tenant that waits has a lane; all lanes advance together in
virtual time, which runs the slower the more weight is waiting and stands still when nobody is. A create call takes
`SLOT / weight` of its tenant's lane. So a lone tenant has the whole rate, several share it by their weights however
many jobs each brings and whoever came first, and between two busy tenants the calls alternate.

A ticket is a place in a lane: handed out by one atomic addition, and turned into a moment by arithmetic on the state
that the addition returned. The moment holds unless a tenant joins later, or the rate falls: then virtual time runs
slower, and whoever wakes too early sees so and waits for the rest. (GCRA is this with one tenant.)

At any rate, no stretch of time sees more than its length divided by `interval_us` calls, and one for each tenant.
Times are whole microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from heliograph.routes.config import Route

SLOT = 1_000_000
_MINUTE_US = 60_000_000
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Many calls are refused in the time that it takes to notice: those of one burst halve the rate once.
_ONE_BURST_US = 10_000_000
# After a refusal the rate stays; then it rises by a sixtieth of where it began, every ten seconds at most.
_QUIET_US = 60_000_000
_RISE_EVERY_US = 10_000_000
_RISE = 60
# Who was refused waits for as long as the provider wished; everybody else tries again after this.
_LONGEST_HOLD_SECONDS = 600

Weights = Callable[[str], int]


class Ticket(BaseModel):
    """A place in a tenant's lane on a route."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    route: str
    place: int


class Pace(BaseModel):
    """How fast a route is used at the moment, and how far each tenant's lane is given out."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    interval_us: int = Field(gt=0)
    # Virtual time was `virtual` at `anchored_us`; a moment in the future holds everybody until then.
    virtual: int = 0
    anchored_us: int = 0
    refused_us: int = 0
    risen_us: int = 0
    lanes: Mapping[str, int] = {}

    @classmethod
    def starting(cls, route: Route) -> Pace:
        """Of a route that nobody has used yet."""
        return cls(interval_us=_MINUTE_US // route.creates_per_minute)

    @property
    def creates_per_minute(self) -> float:
        """The rate, for people."""
        return _MINUTE_US / self.interval_us

    def virtual_at(self, at: datetime, weights: Weights) -> int:
        """How far virtual time has come."""
        virtual, left = self.virtual, _us(at) - self.anchored_us
        for finish in self._finishes():
            slope = self.interval_us * self._weight_after(virtual, weights)
            needed = (finish - virtual) * slope // SLOT
            if needed >= left:
                return virtual + max(0, left) * SLOT // slope
            virtual, left = finish, left - needed
        return virtual

    def moment(self, tenant: str, place: int, weights: Weights) -> datetime:
        """When that place's turn comes, if nothing else happens: when virtual time reaches its beginning."""
        begins, virtual, elapsed = place - step(tenant, weights), self.virtual, 0
        for finish in self._finishes():
            if virtual >= begins:
                break
            upto = min(finish, begins)
            elapsed += (upto - virtual) * self.interval_us * self._weight_after(virtual, weights) // SLOT
            virtual = upto
        return _EPOCH + timedelta(microseconds=self.anchored_us + elapsed)

    def next_place(self, tenant: str, at: datetime, weights: Weights) -> int:
        """The place that the tenant would get now."""
        return max(self.lanes.get(tenant, 0), self.virtual_at(at, weights)) + step(tenant, weights)

    def is_waiting(self, tenant: str, at: datetime, weights: Weights) -> bool:
        """Whether the tenant's lane is busy: only then may a place be had by adding to it.

        (An idle lane that is merely added to would be taken for one that was busy all the while.)
        """
        return self.lanes.get(tenant, 0) > self.virtual_at(at, weights)

    def with_slot(self, tenant: str, at: datetime, weights: Weights) -> Pace:
        """With one more place in the tenant's lane, whether it was busy or not."""
        place = self.next_place(tenant, at, weights)
        anchored = self._anchored(at, weights)
        return anchored.model_copy(update={"lanes": {**anchored.lanes, tenant: place}})

    def decreased(self, at: datetime, weights: Weights, route: Route, *, wait_seconds: int = 0) -> Pace:
        """After a refusal for too many calls: half as fast, and not before `wait_seconds` are over."""
        held_until_us = _us(at) + min(wait_seconds, _LONGEST_HOLD_SECONDS) * SLOT
        return self._braked(at, weights, route, interval_us=self.interval_us * 2, held_until_us=held_until_us)

    def without_slot(self, at: datetime, weights: Weights) -> Pace:
        """Held no longer."""
        if self.anchored_us <= _us(at):
            return self
        return self._anchored(at, weights).model_copy(update={"anchored_us": _us(at)})

    def after_saturation(self, at: datetime, weights: Weights, route: Route) -> Pace:
        """When as many tasks run as may: an eighth slower, and all turns come one call's time later.

        So whoever finds the route full is served before those behind, who do not come to find it full as well.
        """
        held_until_us = max(_us(at), self.anchored_us) + self.interval_us
        return self._braked(at, weights, route, interval_us=self.interval_us * 8 // 7, held_until_us=held_until_us)

    def _braked(self, at: datetime, weights: Weights, route: Route, *, interval_us: int, held_until_us: int) -> Pace:
        anchored = self._anchored(at, weights)
        changes: dict[str, int] = {"anchored_us": max(anchored.anchored_us, held_until_us)}
        if _us(at) >= self.refused_us + _ONE_BURST_US:
            changes["interval_us"] = min(interval_us, _MINUTE_US // route.slowest_per_minute)
            changes["refused_us"] = _us(at)
        return anchored.model_copy(update=changes)

    def may_rise(self, at: datetime, weights: Weights) -> bool:
        """Whether it has been quiet for long enough, and somebody waits: a rate that nobody needs proves nothing."""
        virtual = self.virtual_at(at, weights)
        # The last call's own place does not count.
        is_needed = any(finish - virtual > step(tenant, weights) for tenant, finish in self.lanes.items())
        return is_needed and _us(at) >= max(self.refused_us + _QUIET_US, self.risen_us + _RISE_EVERY_US)

    def increased(self, at: datetime, weights: Weights, route: Route) -> Pace:
        """After a call that was taken while all was quiet: a little faster."""
        anchored = self._anchored(at, weights)
        per_minute = self.creates_per_minute + max(1, route.creates_per_minute / _RISE)
        interval_us = max(int(_MINUTE_US / per_minute), _MINUTE_US // route.fastest_per_minute)
        return anchored.model_copy(update={"interval_us": interval_us, "risen_us": _us(at)})

    def _anchored(self, at: datetime, weights: Weights) -> Pace:
        """The same state, told from `at` on; lanes that are done with are forgotten."""
        virtual = self.virtual_at(at, weights)
        lanes = {tenant: finish for tenant, finish in self.lanes.items() if finish > virtual}
        return self.model_copy(
            update={"virtual": virtual, "anchored_us": max(_us(at), self.anchored_us), "lanes": lanes}
        )

    def _finishes(self) -> list[int]:
        return sorted({finish for finish in self.lanes.values() if finish > self.virtual})

    def _weight_after(self, virtual: int, weights: Weights) -> int:
        return sum(weights(tenant) for tenant, finish in self.lanes.items() if finish > virtual)


def step(tenant: str, weights: Weights) -> int:
    """How much of its lane one call of the tenant takes."""
    return SLOT // weights(tenant)


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
