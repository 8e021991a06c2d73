"""Circuit breaker of a route: a route that keeps failing gets no calls, is probed, and is taken back.

    closed ── 5 failures in a row, or half of the last 20 ──→ open ── cooldown over ──→ half-open: one probe
       ↑                                                       ↑                              │
       └────────────── the probe's task produced an image ─────┼──────────────────────────────┤
                                                               └── it failed: twice the cooldown

A call succeeds when its task produces an image: accepting tasks and failing them is the usual way in which a route
breaks. Only failures of the route itself count: it is busy or broken, times out, has no balance, knows no such model,
or leaves a call without an answer. An invalid request says nothing about the route, and too many calls are a matter of
its queue. Samples older than five minutes are dropped. An operator can disable a route, for a drill or a repair.

A tenant can make its own tasks fail, for instance by references that can't be fetched. So a circuit opens for all
tenants only if the calls of several tenants fail: of one tenant, three failures in a row count, or six of the last
twenty. Failures that are mostly one tenant's open the circuit for that tenant alone. In a deployment with one tenant,
that makes no difference.
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
# As many failures of one tenant count, in a row or among all samples, towards opening the circuit for all tenants.
_MAX_OF_ONE_TENANT_IN_A_ROW = 3
_MAX_OF_ONE_TENANT = 6
# A task is late for its route, and not only for its job's deadline, after this many times the usual duration.
_LATE = 10
_SAMPLES_KEPT_FOR = timedelta(minutes=5)
FIRST_COOLDOWN = timedelta(seconds=30)
_LONGEST_COOLDOWN = timedelta(minutes=10)
# Longer than a create call can take. A probe without a result by then is followed by another.
_PROBE_LIMIT = timedelta(seconds=210)
_ROUTE_FAILURES = frozenset(
    {FailureCode.ROUTE_UNAVAILABLE, FailureCode.PROVIDER_TIMEOUT, FailureCode.SUBMISSION_UNCERTAIN}
)


class Circuit(StrEnum):
    """State of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class _Record(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class CallOutcome(_Record):
    """Result of one call, with its tenant where that is known."""

    at: AwareDatetime
    succeeded: bool
    tenant: str | None = None


class OpenCircuit(_Record):
    """Cause and times of a circuit that is not closed."""

    opened_at: AwareDatetime
    cause: str
    half_open_at: AwareDatetime | None
    """End of the cooldown, when a probe may leave. `None`: an operator disabled the route."""
    cooldowns: int = 1
    """Cooldowns so far; each failed probe adds one."""
    probe_until: AwareDatetime | None = None
    """End of the time that the running probe has."""
    tenant: str | None = None
    """The only tenant that the circuit is open for. `None`: open for all tenants."""

    def is_for(self, tenant: str | None) -> bool:
        """True if the circuit is open for the tenant. `None`: for an operator, who sees every open circuit."""
        return tenant is None or self.tenant in (None, tenant)


class Breaker(_Record):
    """Circuit breaker of one route."""

    samples: tuple[CallOutcome, ...] = ()
    open_circuit: OpenCircuit | None = None
    """`None` while the circuit is closed."""
    closed_at: AwareDatetime | None = None
    unpublished_change: bool = False
    """True if the event of the last change is not known to be published."""

    def circuit(self, now: datetime, tenant: str | None = None) -> Circuit:
        """State of the circuit, for a tenant or (`None`) as an operator sees it."""
        found = self.open_circuit
        if found is None or not found.is_for(tenant):
            return Circuit.CLOSED
        if found.half_open_at is None or now < found.half_open_at:
            return Circuit.OPEN
        if found.probe_until and now < found.probe_until:
            return Circuit.OPEN
        return Circuit.HALF_OPEN

    def next_probe_at(self, now: datetime) -> datetime | None:
        """Earliest time of the next probe; `None` if the circuit is closed or only an operator can close it."""
        found = self.open_circuit
        if found is None or found.half_open_at is None:
            return None
        return max(now, found.half_open_at, found.probe_until or now)

    def with_probe(self, now: datetime) -> Breaker:
        """The breaker with a probe running."""
        if self.open_circuit is None:
            raise ValueError("a closed circuit needs no probe")
        return self._with(open_circuit=self.open_circuit.model_copy(update={"probe_until": now + _PROBE_LIMIT}))

    def without_probe(self) -> Breaker:
        """The breaker with its probe returned: no call was made."""
        if self.open_circuit is None:
            return self
        return self._with(open_circuit=self.open_circuit.model_copy(update={"probe_until": None}))

    def after_success(self, now: datetime, *, began_at: datetime, tenant: str | None = None) -> Breaker:
        """The breaker after a task that began at `began_at` and produced an image."""
        found = self.open_circuit
        if found and found.is_for(tenant):
            # A disabled route stays disabled; and a call from before the circuit opened says nothing about now.
            is_old = found.half_open_at is None or began_at <= found.opened_at
            return self if is_old else self.closed(now)
        return self._with(samples=self._samples_with(CallOutcome(at=now, succeeded=True, tenant=tenant)))

    def after_failure(self, cause: str, now: datetime, *, began_at: datetime, tenant: str | None = None) -> Breaker:
        """The breaker after a failure of the route, in a call that began at `began_at`."""
        found = self.open_circuit
        if found is None or not found.is_for(tenant):
            samples = self._samples_with(CallOutcome(at=now, succeeded=False, tenant=tenant))
            culprit = _culprit(samples)
            if _is_too_much(samples) and (found is None or culprit is None):
                opened = OpenCircuit(opened_at=now, cause=cause, half_open_at=now + FIRST_COOLDOWN, tenant=culprit)
                # Later calls of other tenants are still judged together with the failures of this one.
                return Breaker(samples=samples if culprit else (), open_circuit=opened, unpublished_change=True)
            return self._with(samples=samples)
        if found.half_open_at is None or now < found.half_open_at or began_at <= found.opened_at:
            return self
        cooldown = min(FIRST_COOLDOWN * 2 ** min(found.cooldowns, 10), _LONGEST_COOLDOWN)
        again = {"half_open_at": now + cooldown, "cooldowns": found.cooldowns + 1, "probe_until": None}
        return self._with(open_circuit=found.model_copy(update=again))

    def disabled(self, reason: str, now: datetime) -> Breaker:
        """The breaker opened by an operator, until an operator closes it."""
        opened = OpenCircuit(opened_at=now, cause=reason, half_open_at=None)
        return Breaker(open_circuit=opened, unpublished_change=True)

    def closed(self, now: datetime) -> Breaker:
        """The breaker closed, without samples."""
        if self.open_circuit is None:
            return self
        return Breaker(open_circuit=None, closed_at=now, unpublished_change=True)

    def as_published(self) -> Breaker:
        """The breaker with the event of its last change published."""
        return self._with(unpublished_change=False)

    def _samples_with(self, sample: CallOutcome) -> tuple[CallOutcome, ...]:
        recent = [earlier for earlier in self.samples if sample.at - earlier.at < _SAMPLES_KEPT_FOR]
        return (*recent, sample)[-SAMPLES:]

    def _with(self, **changes: object) -> Breaker:
        return self.model_copy(update=changes)


def is_route_failure(failure: Failure) -> bool:
    """True if a failure says something about the route, rather than about the request or the rate of calls."""
    return failure.code in _ROUTE_FAILURES


def is_late(ran: timedelta, *, usual_seconds: int) -> bool:
    """True if a task ran for so long that the route is slow, whatever the deadline of its job was."""
    return ran >= timedelta(seconds=usual_seconds * _LATE)


def _is_too_much(samples: tuple[CallOutcome, ...]) -> bool:
    if len(_last_failures(samples)) >= IN_A_ROW:
        return True
    failures = sum(not sample.succeeded for sample in samples)
    return len(samples) == SAMPLES and failures * 2 >= SAMPLES


def _culprit(samples: tuple[CallOutcome, ...]) -> str | None:
    """The tenant that most of the failures are of, where those of all tenants are not enough without it."""
    failures = [sample for sample in samples if not sample.succeeded]
    in_a_row = _counted(_last_failures(samples), _MAX_OF_ONE_TENANT_IN_A_ROW) >= IN_A_ROW
    among_all = len(samples) == SAMPLES and _counted(failures, _MAX_OF_ONE_TENANT) * 2 >= SAMPLES
    if in_a_row or among_all:
        return None
    return max(failures, key=lambda sample: sum(other.tenant == sample.tenant for other in failures)).tenant


def _counted(failures: Iterable[CallOutcome], max_of_one_tenant: int) -> int:
    """Number of failures that count, at most so many of each tenant. Those without a tenant all count."""
    counts = Counter(sample.tenant for sample in failures)
    return sum(count if tenant is None else min(count, max_of_one_tenant) for tenant, count in counts.items())


def _last_failures(samples: tuple[CallOutcome, ...]) -> list[CallOutcome]:
    """Failures since the last call that succeeded."""
    last: list[CallOutcome] = []
    for sample in reversed(samples):
        if sample.succeeded:
            break
        last.append(sample)
    return last
