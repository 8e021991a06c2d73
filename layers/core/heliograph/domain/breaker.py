"""A circuit breaker per route: a route that keeps failing is left alone, probed, and taken back.

    closed ── 5 failures in a row, or half of the last 20 ──→ open ── cooldown over ──→ half-open: one probe
       ↑                                                       ↑                              │
       └────────────── the probe's task brought a picture ─────┼──────────────────────────────┤
                                                               └── it failed: twice the cooldown

A route does well when a task brings its picture: to accept a task and fail it is the usual way to be broken. Only what
the route itself does counts: it is busy or broken, times out, has no balance, knows no such model, or leaves a call
without an answer. What is wrong with a request says nothing about the route, and too many calls are the pace's affair.
What happened more than five minutes ago is forgotten. A person can hold a route open, for a drill or a repair.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.domain.failures import Failure, FailureCode

IN_A_ROW = 5
SAMPLES = 20
_MEMORY = timedelta(minutes=5)
FIRST_COOLDOWN = timedelta(seconds=30)
_LONGEST_COOLDOWN = timedelta(minutes=10)
# Longer than a create call can be on its way; a probe that says nothing by then is followed by another.
_PROBE_LIMIT = timedelta(seconds=210)
_OF_THE_ROUTE = frozenset(
    {FailureCode.ROUTE_UNAVAILABLE, FailureCode.PROVIDER_TIMEOUT, FailureCode.SUBMISSION_UNCERTAIN}
)


class Circuit(StrEnum):
    """What may pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class _Record(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class Sample(_Record):
    """How one call ended, and when."""

    at: AwareDatetime
    went_well: bool


class Opening(_Record):
    """Why and since when a route is open. `until`: when it may be probed; `None`: when a person says so."""

    at: AwareDatetime
    cause: str
    until: AwareDatetime | None
    times: int = 1
    probing_until: AwareDatetime | None = None


class Breaker(_Record):
    """The state of one route's circuit. `untold`: the last change is not known to be on the bus."""

    samples: tuple[Sample, ...] = ()
    opening: Opening | None = None
    closed_at: AwareDatetime | None = None
    untold: bool = False

    def circuit(self, now: datetime) -> Circuit:
        """What may pass at the moment."""
        if self.opening is None:
            return Circuit.CLOSED
        if self.opening.until is None or now < self.opening.until:
            return Circuit.OPEN
        if self.opening.probing_until and now < self.opening.probing_until:
            return Circuit.OPEN
        return Circuit.HALF_OPEN

    def opens_next(self, now: datetime) -> datetime | None:
        """When an open circuit is worth another look; `None` if only a person can close it."""
        if self.opening is None or self.opening.until is None:
            return None
        return max(now, self.opening.until, self.opening.probing_until or now)

    def probed(self, now: datetime) -> Breaker:
        """With the one probe given out."""
        if self.opening is None:
            raise ValueError("a closed circuit needs no probe")
        return self._with(opening=self.opening.model_copy(update={"probing_until": now + _PROBE_LIMIT}))

    def not_probed(self) -> Breaker:
        """With the probe given back: no call was made."""
        if self.opening is None:
            return self
        return self._with(opening=self.opening.model_copy(update={"probing_until": None}))

    def after_success(self, now: datetime, *, began_at: datetime) -> Breaker:
        """After a task, begun at `began_at`, that brought its picture."""
        if self.opening:
            # One that a person holds open stays so; and what began before it opened says nothing about now.
            is_old = self.opening.until is None or began_at <= self.opening.at
            return self if is_old else self.closed(now)
        return self._with(samples=self._samples_with(now, went_well=True))

    def after_failure(self, cause: str, now: datetime, *, began_at: datetime) -> Breaker:
        """After a failure of the route, of a call begun at `began_at`."""
        opening = self.opening
        if opening is None:
            samples = self._samples_with(now, went_well=False)
            if _is_too_much(samples):
                opened = Opening(at=now, cause=cause, until=now + FIRST_COOLDOWN)
                return Breaker(opening=opened, untold=True)
            return self._with(samples=samples)
        if opening.until is None or now < opening.until or began_at <= opening.at:
            return self
        cooldown = min(FIRST_COOLDOWN * 2 ** min(opening.times, 10), _LONGEST_COOLDOWN)
        again = {"until": now + cooldown, "times": opening.times + 1, "probing_until": None}
        return self._with(opening=opening.model_copy(update=again))

    def held_open(self, cause: str, now: datetime) -> Breaker:
        """Opened by a person, until a person closes it."""
        return Breaker(opening=Opening(at=now, cause=cause, until=None), untold=True)

    def closed(self, now: datetime) -> Breaker:
        """Closed, with a clean record."""
        if self.opening is None:
            return self
        return Breaker(opening=None, closed_at=now, untold=True)

    def as_told(self) -> Breaker:
        """With its last change known to be on the bus."""
        return self._with(untold=False)

    def _samples_with(self, now: datetime, *, went_well: bool) -> tuple[Sample, ...]:
        recent = [sample for sample in self.samples if now - sample.at < _MEMORY]
        return (*recent, Sample(at=now, went_well=went_well))[-SAMPLES:]

    def _with(self, **changes: object) -> Breaker:
        return self.model_copy(update=changes)


def is_of_the_route(failure: Failure) -> bool:
    """Whether a failure says something about the route, rather than about the request or our pace."""
    return failure.code in _OF_THE_ROUTE


def _is_too_much(samples: tuple[Sample, ...]) -> bool:
    in_a_row = samples[-IN_A_ROW:]
    if len(in_a_row) == IN_A_ROW and not any(sample.went_well for sample in in_a_row):
        return True
    failures = sum(not sample.went_well for sample in samples)
    return len(samples) == SAMPLES and failures * 2 >= SAMPLES
