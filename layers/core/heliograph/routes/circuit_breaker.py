"""A circuit breaker per route: a route that keeps failing is left alone, probed, and taken back.

    closed ── 5 failures in a row, or half of the last 20 ──→ open ── cooldown over ──→ half-open: one probe
       ↑                                                       ↑                              │
       └────────────── the probe's task brought a picture ─────┼──────────────────────────────┤
                                                               └── it failed: twice the cooldown

A route does well when a task brings its picture: to accept a task and fail it is the usual way to be broken. Only what
the route itself does counts: it is busy or broken, times out, has no balance, knows no such model, or leaves a call
without an answer. What is wrong with a request says nothing about the route, and too many calls are the pace's affair.
What happened more than five minutes ago is forgotten. A person can hold a route open, for a drill or a repair.

A tenant can make its own tasks fail, by references that nobody can fetch, say. So a circuit opens for everybody only
if several tenants' calls fail: of one tenant, three failures in a row count, or six of the last twenty. Failures that
are mostly one tenant's open it for that tenant alone, which in a deployment with one tenant is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.kernel.failures import Failure, FailureCode

IN_A_ROW = 5
SAMPLES = 20
# As many failures of one tenant count in a row, or among all samples, when others are to be shut out.
_MOST_OF_ONE_IN_A_ROW = 3
_MOST_OF_ONE = 6
# A task is late for its route, and not only for its job's deadline, when it has had so many times the usual time.
_LATE = 10
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


class CallOutcome(_Record):
    """How one call ended, and when; whose it was, if that is known."""

    at: AwareDatetime
    went_well: bool
    tenant: str | None = None


class Opening(_Record):
    """Why and since when a route is open. `until`: when it may be probed; `None`: when a person says so.

    `tenant`: the only one that it is open for; `None`: for everybody.
    """

    at: AwareDatetime
    cause: str
    until: AwareDatetime | None
    times: int = 1
    probing_until: AwareDatetime | None = None
    tenant: str | None = None

    def is_for(self, tenant: str | None) -> bool:
        """Whether it concerns a tenant; `None`: an operator, whom every opening concerns."""
        return tenant is None or self.tenant in (None, tenant)


class Breaker(_Record):
    """The state of one route's circuit. `untold`: the last change is not known to be on the bus."""

    samples: tuple[CallOutcome, ...] = ()
    opening: Opening | None = None
    closed_at: AwareDatetime | None = None
    untold: bool = False

    def circuit(self, now: datetime, tenant: str | None = None) -> Circuit:
        """What may pass at the moment: of a tenant, or for an operator to see."""
        if self.opening is None or not self.opening.is_for(tenant):
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

    def after_success(self, now: datetime, *, began_at: datetime, tenant: str | None = None) -> Breaker:
        """After a task, begun at `began_at`, that brought its picture."""
        if self.opening and self.opening.is_for(tenant):
            # One that a person holds open stays so; and what began before it opened says nothing about now.
            is_old = self.opening.until is None or began_at <= self.opening.at
            return self if is_old else self.closed(now)
        return self._with(samples=self._samples_with(CallOutcome(at=now, went_well=True, tenant=tenant)))

    def after_failure(self, cause: str, now: datetime, *, began_at: datetime, tenant: str | None = None) -> Breaker:
        """After a failure of the route, of a call begun at `began_at`."""
        opening = self.opening
        if opening is None or not opening.is_for(tenant):
            samples = self._samples_with(CallOutcome(at=now, went_well=False, tenant=tenant))
            culprit = _culprit(samples)
            if _is_too_much(samples) and (opening is None or culprit is None):
                opened = Opening(at=now, cause=cause, until=now + FIRST_COOLDOWN, tenant=culprit)
                # What others' calls bring is still judged together with the failures of the one.
                return Breaker(samples=samples if culprit else (), opening=opened, untold=True)
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

    def _samples_with(self, sample: CallOutcome) -> tuple[CallOutcome, ...]:
        recent = [earlier for earlier in self.samples if sample.at - earlier.at < _MEMORY]
        return (*recent, sample)[-SAMPLES:]

    def _with(self, **changes: object) -> Breaker:
        return self.model_copy(update=changes)


def is_of_the_route(failure: Failure) -> bool:
    """Whether a failure says something about the route, rather than about the request or our pace."""
    return failure.code in _OF_THE_ROUTE


def is_late(ran: timedelta, *, usual_seconds: int) -> bool:
    """Whether a task ran for so long that this says something about its route, whatever the deadline of its job was."""
    return ran >= timedelta(seconds=usual_seconds * _LATE)


def _is_too_much(samples: tuple[CallOutcome, ...]) -> bool:
    if len(_last_failures(samples)) >= IN_A_ROW:
        return True
    failures = sum(not sample.went_well for sample in samples)
    return len(samples) == SAMPLES and failures * 2 >= SAMPLES


def _culprit(samples: tuple[CallOutcome, ...]) -> str | None:
    """The tenant that most of the failures are of, where those of all tenants are not enough without them."""
    failures = [sample for sample in samples if not sample.went_well]
    in_a_row = _told_by(_last_failures(samples), _MOST_OF_ONE_IN_A_ROW) >= IN_A_ROW
    among_all = len(samples) == SAMPLES and _told_by(failures, _MOST_OF_ONE) * 2 >= SAMPLES
    if in_a_row or among_all:
        return None
    return max(failures, key=lambda sample: sum(other.tenant == sample.tenant for other in failures)).tenant


def _told_by(failures: Iterable[CallOutcome], most_of_one: int) -> int:
    """How many failures count, if so many of one tenant do. Those of nobody in particular all count."""
    counts = Counter(sample.tenant for sample in failures)
    return sum(count if tenant is None else min(count, most_of_one) for tenant, count in counts.items())


def _last_failures(samples: tuple[CallOutcome, ...]) -> list[CallOutcome]:
    """Those since the last call that went well."""
    last: list[CallOutcome] = []
    for sample in reversed(samples):
        if sample.went_well:
            break
        last.append(sample)
    return last
