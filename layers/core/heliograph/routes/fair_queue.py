"""Weighted fair queueing of create calls on a route, in virtual time.

A route makes one create call every `interval_us`. Each tenant with waiting calls is a flow. All backlogged flows are
served at the same pace in virtual time, which advances the slower the more weight is backlogged, and stands still when
no flow is. A create call takes `SLOT / weight` of its tenant's flow. So a lone tenant gets the whole rate, several
tenants share it by their weights, however many jobs each brings and whichever came first, and the calls of two busy
tenants alternate.

A ticket holds the finish tag of a slot. One atomic addition hands it out, and arithmetic on the state that the addition
returned gives the time at which the slot starts. That time holds unless another tenant joins later or the rate falls:
then virtual time advances more slowly, and a job that wakes too early waits for the rest. (With one tenant, this is
GCRA.)

In any stretch of time, a route makes no more calls than its length divided by `interval_us`, and one for each tenant.
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
"""Virtual time that a call of a tenant with weight 1 takes."""

_MINUTE_US = 60_000_000
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Many calls are refused before the first refusal is noticed: the refusals of one burst halve the rate once.
_BURST_US = 10_000_000
# After a refusal the rate stays for a minute. Then it increases by a sixtieth of the initial rate, every ten seconds at
# most.
_QUIET_US = 60_000_000
_INCREASE_EVERY_US = 10_000_000
_INCREASES_TO_INITIAL_RATE = 60
# A refused job waits for as long as the provider asked for; all other jobs try again after this.
_LONGEST_HOLD_SECONDS = 600

Weights = Callable[[str], int]
"""The weight of a tenant."""


class Ticket(BaseModel):
    """A slot in a tenant's flow on a route."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    route: str
    finish_tag: int


class FairQueue(BaseModel):
    """The queue of one route: its current rate, and the last finish tag of each tenant's flow."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    interval_us: int = Field(gt=0)
    virtual_time: int = 0
    """Virtual time at `anchored_us`."""
    anchored_us: int = 0
    """Time of the anchor. An anchor in the future holds all calls until then."""
    decreased_us: int = 0
    """Time of the last decrease of the rate."""
    increased_us: int = 0
    """Time of the last increase of the rate."""
    finish_tags: Mapping[str, int] = {}
    """Last finish tag of each tenant's flow."""

    @classmethod
    def starting(cls, route: Route) -> FairQueue:
        """Queue of a route that was never used."""
        return cls(interval_us=_MINUTE_US // route.creates_per_minute)

    @property
    def creates_per_minute(self) -> float:
        """Current rate."""
        return _MINUTE_US / self.interval_us

    def virtual_time_at(self, at: datetime, weights: Weights) -> int:
        """Virtual time at that moment."""
        virtual_time, left = self.virtual_time, _us(at) - self.anchored_us
        for finish in self._finishes():
            slope = self.interval_us * self._backlogged_weight(virtual_time, weights)
            needed = (finish - virtual_time) * slope // SLOT
            if needed >= left:
                return virtual_time + max(0, left) * SLOT // slope
            virtual_time, left = finish, left - needed
        return virtual_time

    def starts_at(self, tenant: str, finish_tag: int, weights: Weights) -> datetime:
        """Start of the slot with that finish tag, as things are now: when virtual time reaches its start tag."""
        start_tag, virtual_time, elapsed = finish_tag - slot_length(tenant, weights), self.virtual_time, 0
        for finish in self._finishes():
            if virtual_time >= start_tag:
                break
            upto = min(finish, start_tag)
            elapsed += (upto - virtual_time) * self.interval_us * self._backlogged_weight(virtual_time, weights) // SLOT
            virtual_time = upto
        return _EPOCH + timedelta(microseconds=self.anchored_us + elapsed)

    def next_finish_tag(self, tenant: str, at: datetime, weights: Weights) -> int:
        """Finish tag of the slot that the tenant would get now."""
        return max(self.finish_tags.get(tenant, 0), self.virtual_time_at(at, weights)) + slot_length(tenant, weights)

    def is_backlogged(self, tenant: str, at: datetime, weights: Weights) -> bool:
        """True if the tenant has a slot that has not finished. Only then may a slot be had by extending the flow.

        (An idle flow that is merely extended would count as backlogged since its last slot.)
        """
        return self.finish_tags.get(tenant, 0) > self.virtual_time_at(at, weights)

    def with_slot(self, tenant: str, at: datetime, weights: Weights) -> FairQueue:
        """The queue with one more slot in the tenant's flow, backlogged or idle."""
        finish_tag = self.next_finish_tag(tenant, at, weights)
        anchored = self._anchored(at, weights)
        return anchored.model_copy(update={"finish_tags": {**anchored.finish_tags, tenant: finish_tag}})

    def decreased(self, at: datetime, weights: Weights, route: Route, *, wait_seconds: int = 0) -> FairQueue:
        """The queue after a refusal for too many calls: half the rate, and no call for `wait_seconds`."""
        held_until_us = _us(at) + min(wait_seconds, _LONGEST_HOLD_SECONDS) * SLOT
        return self._decreased_to(self.interval_us * 2, at, weights, route, held_until_us=held_until_us)

    def without_hold(self, at: datetime, weights: Weights) -> FairQueue:
        """The queue with calls no longer held."""
        if self.anchored_us <= _us(at):
            return self
        return self._anchored(at, weights).model_copy(update={"anchored_us": _us(at)})

    def after_saturation(self, at: datetime, weights: Weights, route: Route) -> FairQueue:
        """The queue after the route reached its cap on running tasks: an eighth slower, all slots one interval later.

        So a job that finds the route full is served before those behind it, which would find it full as well.
        """
        held_until_us = max(_us(at), self.anchored_us) + self.interval_us
        return self._decreased_to(self.interval_us * 8 // 7, at, weights, route, held_until_us=held_until_us)

    def _decreased_to(
        self, interval_us: int, at: datetime, weights: Weights, route: Route, *, held_until_us: int
    ) -> FairQueue:
        anchored = self._anchored(at, weights)
        changes: dict[str, int] = {"anchored_us": max(anchored.anchored_us, held_until_us)}
        if _us(at) >= self.decreased_us + _BURST_US:
            changes["interval_us"] = min(interval_us, _MINUTE_US // route.slowest_per_minute)
            changes["decreased_us"] = _us(at)
        return anchored.model_copy(update=changes)

    def may_increase(self, at: datetime, weights: Weights) -> bool:
        """True if no call was refused for long enough and a call is waiting. A rate that is not needed proves nothing.

        The slot of the call that was just made does not count as waiting.
        """
        virtual_time = self.virtual_time_at(at, weights)
        is_needed = any(
            finish - virtual_time > slot_length(tenant, weights) for tenant, finish in self.finish_tags.items()
        )
        return is_needed and _us(at) >= max(self.decreased_us + _QUIET_US, self.increased_us + _INCREASE_EVERY_US)

    def increased(self, at: datetime, weights: Weights, route: Route) -> FairQueue:
        """The queue after a call that was accepted when the rate may increase: a little faster."""
        anchored = self._anchored(at, weights)
        per_minute = self.creates_per_minute + max(1, route.creates_per_minute / _INCREASES_TO_INITIAL_RATE)
        interval_us = max(int(_MINUTE_US / per_minute), _MINUTE_US // route.fastest_per_minute)
        return anchored.model_copy(update={"interval_us": interval_us, "increased_us": _us(at)})

    def _anchored(self, at: datetime, weights: Weights) -> FairQueue:
        """The same queue anchored at `at`, without the flows that are idle."""
        virtual_time = self.virtual_time_at(at, weights)
        finish_tags = {tenant: finish for tenant, finish in self.finish_tags.items() if finish > virtual_time}
        return self.model_copy(
            update={
                "virtual_time": virtual_time,
                "anchored_us": max(_us(at), self.anchored_us),
                "finish_tags": finish_tags,
            }
        )

    def _finishes(self) -> list[int]:
        return sorted({finish for finish in self.finish_tags.values() if finish > self.virtual_time})

    def _backlogged_weight(self, virtual_time: int, weights: Weights) -> int:
        return sum(weights(tenant) for tenant, finish in self.finish_tags.items() if finish > virtual_time)


def slot_length(tenant: str, weights: Weights) -> int:
    """Virtual time that one call of the tenant takes."""
    return SLOT // weights(tenant)


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
