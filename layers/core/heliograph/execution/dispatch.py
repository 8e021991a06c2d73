"""Decide the next step of a job without an image: on which route it calls, when, and whether at all.

The job's record decides, whatever happened to an earlier run: a known task is waited for, a call that may have made a
task gets time to announce it, and a job gets another attempt only if none of its attempts may still be charged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from heliograph.budgets.announce import BudgetAnnouncer, budget_failure
from heliograph.execution.create_task import TaskCreator, uncertain_call, wait_for_callback
from heliograph.execution.failover import Call, Pause, Stop, next_call
from heliograph.execution.outcomes import Canceled, DispatchInput, DispatchOutcome, Expired, Failed, NotYet, Over
from heliograph.execution.prove_absence import proven_absence
from heliograph.execution.reference_links import ReferenceLinks
from heliograph.execution.reuse_result import ResultReuser
from heliograph.jobs.job import Attempt, Job
from heliograph.jobs.request import Policy, candidates
from heliograph.kernel.errors import BudgetExceeded, RouteFull
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.jitter import jittered
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route, Routes
from heliograph.routes.control import RouteControl
from heliograph.routes.fair_queue import Ticket
from heliograph.routes.reserve_slot import QueueSlots
from heliograph.routes.state import RoutesSnapshot, RouteState

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.providers.ports import ImageProvider

# Waits are whole seconds: a slot that starts within this starts now.
_NOW = timedelta(milliseconds=500)
_CHECK_AGAIN_SECONDS = 60
# A route whose slot starts within this is not busy.
_SOON = timedelta(seconds=60)
_PROBE_SECONDS = 10
# Checks for a free task of the job's tenant in the time of a usual task.
_TENANT_CHECKS_PER_TASK = 4
# A job's owner reads these in its timeline. An operator's own words are for operators: they are never among them.
_PAUSED = "spending is paused by the operator; the job checks once a minute whether it may go on"
_NO_ROUTE = "no route is available; the job checks again once a minute"
_NO_ROUTE_BUT_A_PROBE = "no route is available; the job checks again when one of them may be probed"


@dataclass(frozen=True, slots=True)
class _Busy:
    """The route does not take the job soon enough. `meanwhile`: the outcome if no other route does."""

    meanwhile: NotYet


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Brings jobs to a task at a provider, one step at a time."""

    jobs: JobStore
    budgets: BudgetAnnouncer
    providers: Mapping[str, ImageProvider]
    routes: Routes
    control: RouteControl
    slots: QueueSlots
    references: ReferenceLinks
    creator: TaskCreator
    reuser: ResultReuser

    def dispatch(self, turn: DispatchInput, *, run_id: str) -> DispatchOutcome:
        """Takes one step towards a task. Makes at most one create call, and none where an earlier one may have arrived.

        `run_id` is unique to this run. Raises `StaleJob` or `StorageFailed` where a retry may succeed.
        """
        job_id = turn.job_id
        # Read the clock before the job: a callback after this instant must wake the wait.
        now = self.control.clock.now()
        job = self.jobs.get(job_id)
        if job is None:
            return Failed(job_id=job_id, failure=_internal(f"{job_id} has no record"))
        if job.is_over:
            return Over(job_id=job_id, status=job.status)
        if job.is_found_again and now < job.deadline_at:
            # No other attempt was made after it, and none will be.
            try:
                job = self.jobs.save(job.found_again())
            except RouteFull as error:
                return _not_yet(job, now, _CHECK_AGAIN_SECONDS, f"{error} is at its limit of running tasks")
        if job.attempt and job.attempt.is_open:
            ended = self._end_attempt(job, job.attempt, turn, now)
            if not isinstance(ended, Job):
                return ended
            job = ended
        if job.cancel_requested_at:
            return Canceled(job_id=job_id)
        if reused := self.reuser.reuse(job, now):
            return reused
        return self._next_attempt(job, turn, run_id, now)

    def _end_attempt(self, job: Job, attempt: Attempt, turn: DispatchInput, now: datetime) -> Job | DispatchOutcome:
        """The job with its open attempt ended, if another may follow it; else the outcome."""
        failure = turn.failure if turn.attempt_id == attempt.attempt_id else None
        if failure:
            self.creator.record_failure(attempt, failure, tenant=job.tenant)
        elif absence := proven_absence(attempt, now, self.providers):
            return self.jobs.save(job.without_a_task(attempt.attempt_id, absence, now))
        elif attempt.task_id or now < job.lost_call_deadline:
            return self.creator.wait_for_task(job, attempt, now)
        else:
            failure = uncertain_call(
                attempt.uncertainty or "the function ended before the provider's answer was recorded"
            )
        ended = job.refused(attempt.attempt_id, failure, now)
        given_up = Failed(job_id=job.job_id, failure=failure, attempt_id=attempt.attempt_id)
        if failure.charged is not Charged.NO:
            if isinstance(next_call(ended, self.routes), Stop):
                return given_up
            if now < job.result_deadline and self.control.states.snapshot(()).spending_pause:
                # No other call may leave. Until one may, the task of this one has more time to announce itself.
                wait_seconds = jittered(_CHECK_AGAIN_SECONDS, job.job_id)
                return wait_for_callback(job, attempt, now, wait_seconds, _PAUSED)
        try:
            return self.jobs.save(ended)
        except BudgetExceeded as error:
            # To accept the risk of a second charge, the budget must have room for it.
            self.budgets.exhausted(error)
            return given_up

    def _next_attempt(self, job: Job, turn: DispatchInput, run_id: str, now: datetime) -> DispatchOutcome:
        """Finds the route and the time of the next call, and makes it if that is now.

        A route with an open circuit, a long queue, or too high a price for the budget, and one that is full, is passed
        over as long as there is another.
        """
        if now >= job.deadline_at:
            stop = next_call(job, self.routes)
            if isinstance(stop, Stop):
                return Failed(job_id=job.job_id, failure=stop.failure)
            return Expired(job_id=job.job_id)
        snapshot = self.control.states.snapshot(candidates(job.request, self.routes))
        if snapshot.spending_pause:
            return _not_yet(job, now, jittered(_CHECK_AGAIN_SECONDS, job.job_id), _PAUSED)
        open_circuits = {
            name for name, state in snapshot.routes.items() if state.breaker.circuit(now, job.tenant) is Circuit.OPEN
        }
        # First the routes that take it soon, then those that take it at all. The cheapest route is worth any wait.
        patiences = (None,) if job.request.policy is Policy.CHEAPEST else (_SOON, None)
        too_expensive: dict[str, BudgetExceeded] = {}
        busy: dict[str, NotYet] = {}
        left: tuple[Route, ...] = ()
        for patience in patiences:
            # A reserved slot is kept.
            busy = {name: wait for name, wait in busy.items() if wait.ticket}
            while True:
                step = next_call(job, self.routes, unavailable={*open_circuits, *too_expensive, *busy})
                if isinstance(step, Stop):
                    return Failed(job_id=job.job_id, failure=step.failure)
                if isinstance(step, Pause):
                    left = step.routes
                    break
                if outcome := _wait_before(step, job, turn, now):
                    return outcome
                state = snapshot.routes[step.route.name]
                before = job.deadline_at if patience is None else min(job.deadline_at, now + patience)
                try:
                    answer = self._call(job, step.route, turn, run_id, state=state, before=before)
                except BudgetExceeded as error:
                    # It costs more than was reserved for the job, and that much is not left.
                    self.budgets.exhausted(error)
                    too_expensive[step.route.name] = error
                    continue
                if not isinstance(answer, _Busy):
                    return answer
                busy[step.route.name] = answer.meanwhile
        if busy:
            return min(busy.values(), key=lambda wait: wait.wait_seconds)
        waiting = [route for route in left if route.name not in too_expensive]
        if not waiting:
            return Failed(job_id=job.job_id, failure=budget_failure(next(iter(too_expensive.values()))))
        return _until_a_route_is_available(waiting, snapshot, now, job)

    def _call(
        self, job: Job, route: Route, turn: DispatchInput, run_id: str, *, state: RouteState, before: datetime
    ) -> DispatchOutcome | _Busy:
        """Calls the route if the job's slot has started. Reserves no slot that would start at `before` or later."""
        now = self.control.clock.now()
        slot = self.slots.reserve(route, job.tenant, state=state, ticket=turn.ticket, before=before, now=now)
        if slot is None:
            # As things are; but the queue may get shorter.
            wait_seconds = max(_CHECK_AGAIN_SECONDS, ceil((job.deadline_at - now).total_seconds() / 2))
            reason = f"the queue of {route.name} is longer than the time left until the job's deadline"
            return _Busy(_not_yet(job, now, wait_seconds, reason))
        if slot.starts_at > now + _NOW:
            wait_seconds = ceil((slot.starts_at - now).total_seconds())
            return _not_yet(job, now, wait_seconds, f"the job is queued for {route.name}", slot.ticket)
        if not job.attempts and (failure := self.references.failure_of(job)):
            return Failed(job_id=job.job_id, failure=failure)
        is_probe = state.breaker.circuit(now, job.tenant) is Circuit.HALF_OPEN
        if is_probe and not self.control.claim_probe(route, tenant=job.tenant):
            wait_seconds = jittered(_PROBE_SECONDS, job.job_id)
            return _Busy(_not_yet(job, now, wait_seconds, f"{route.name} is being probed", slot.ticket))
        try:
            outcome = self.creator.create(job, route, run_id, latencies=state.latencies)
        except Exception as error:
            # No call was made.
            if is_probe:
                self.control.return_probe(route)
            if not isinstance(error, RouteFull):
                raise
            return _Busy(self._until_route_has_room(job, route, now, slot.ticket, of_tenant=error.of_tenant))
        if outcome is None:
            if is_probe:
                self.control.return_probe(route)
            # The next run finds that run's attempt.
            return NotYet(job_id=job.job_id, wait_seconds=2, reason="another run is making the call")
        return outcome

    def _until_route_has_room(
        self, job: Job, route: Route, now: datetime, ticket: Ticket, *, of_tenant: bool
    ) -> NotYet:
        if of_tenant:
            # Other tenants still have room there: no reason to call the route less often.
            wait_seconds = jittered(ceil(route.usual_seconds / _TENANT_CHECKS_PER_TASK), job.job_id)
            return _not_yet(job, now, wait_seconds, f"the tenant's tasks on {route.name} are at their limit", ticket)
        self.control.record_saturation(route)
        wait_seconds = jittered(ceil(route.usual_seconds / route.max_in_flight), job.job_id)
        return _not_yet(job, now, wait_seconds, f"{route.name} is at its limit of running tasks", ticket)


def _wait_before(step: Call, job: Job, turn: DispatchInput, now: datetime) -> DispatchOutcome | None:
    """The outcome if the call has to wait, or the deadline comes first; `None` if it may leave now."""
    wait_seconds = 0 if turn.has_waited else step.wait_seconds
    if now + timedelta(seconds=wait_seconds) >= job.deadline_at:
        return Expired(job_id=job.job_id)
    if wait_seconds:
        return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason="an earlier call was refused")
    return None


def _not_yet(job: Job, now: datetime, wait_seconds: int, reason: str, ticket: Ticket | None = None) -> NotYet:
    """A wait that ends at the deadline at the latest: there the job expires."""
    until_the_deadline = ceil((job.deadline_at - now).total_seconds())
    wait_seconds = max(1, min(wait_seconds, until_the_deadline))
    return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason=reason, ticket=ticket)


def _until_a_route_is_available(routes: Sequence[Route], snapshot: RoutesSnapshot, now: datetime, job: Job) -> NotYet:
    """A wait until one of the routes may be probed, with jitter; disabled routes are checked once a minute."""
    probes = [snapshot.routes[route.name].breaker.next_probe_at(now) for route in routes]
    first = min((at for at in probes if at), default=None)
    seconds = _CHECK_AGAIN_SECONDS if first is None else max(_PROBE_SECONDS, ceil((first - now).total_seconds()))
    reason = _NO_ROUTE if first is None else _NO_ROUTE_BUT_A_PROBE
    return _not_yet(job, now, jittered(seconds, job.job_id), reason)


def _internal(message: str) -> Failure:
    return Failure(code=FailureCode.INTERNAL, message=message, retryable=True, charged=Charged.NO)
