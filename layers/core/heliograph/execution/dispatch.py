"""Decide what comes next for a job without a picture: which route, when, and whether at all.

Whatever happened to an earlier run, the job's record tells: a task that is known is waited for, one that may exist is
given time to announce itself, and only a job none of whose attempts may still bill gets another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from heliograph.budgets.announce import BudgetAnnouncer, budget_failure
from heliograph.execution.create_task import Creating, await_task, create_task, for_news, report, uncertain
from heliograph.execution.failover import Pause, Stop, next_call
from heliograph.execution.outcomes import Canceled, DispatchInput, DispatchOutcome, Expired, Failed, NotYet, Over
from heliograph.execution.prove_absence import proven_absence
from heliograph.execution.reuse_result import reuse
from heliograph.execution.try_links import unfetchable
from heliograph.jobs.job import Attempt, Job
from heliograph.jobs.request import Policy, candidates
from heliograph.kernel.errors import BudgetExceeded, RouteFull
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.jitter import jittered
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route
from heliograph.routes.control import give_back_probe, may_probe, record_saturation
from heliograph.routes.fair_queue import Ticket
from heliograph.routes.reserve_slot import turn_on
from heliograph.routes.state import RoutesSnapshot, RouteState

# Waits are whole seconds: a turn that comes within this is now.
_NOW = timedelta(milliseconds=500)
_LOOK_AGAIN_SECONDS = 60
# A route that takes the job within this is not busy.
_SOON = timedelta(seconds=60)
_PROBE_SECONDS = 10
# How often in the time of a usual task a job looks whether its tenant has a place again.
_LOOKS_FOR_A_PLACE = 4
# A job's owner reads these in its timeline. An operator's own words are for operators: they are never among them.
_PAUSED = "spending is paused by the operator; the job checks once a minute whether it may go on"
_NO_ROUTE = "no route is available; the job checks again once a minute"
_NO_ROUTE_BUT_A_PROBE = "no route is available; the job checks again when one of them may be probed"


def dispatch(turn: DispatchInput, *, run_id: str, creating: Creating) -> DispatchOutcome:
    """One step towards a task: makes at most one create call, and none where an earlier one may have arrived.

    `run_id` is this run's own, and no other's. Raises `StaleJob` or `StorageFailed` where a repeat will do better.
    """
    job_id = turn.job_id
    # Before the look: what is heard from now on is news.
    now = creating.control.clock.now()
    job = creating.jobs.get(job_id)
    if job is None:
        return Failed(job_id=job_id, failure=_internal(f"{job_id} has no record"))
    if job.is_over:
        return Over(job_id=job_id, status=job.status)
    if job.is_found_again and now < job.deadline_at:
        # Nothing has been paid besides it yet, and nothing will be.
        try:
            job = creating.jobs.save(job.found_again())
        except RouteFull as error:
            return _not_yet(job, now, _LOOK_AGAIN_SECONDS, f"{error} has as many tasks as it may")
    if job.attempt and job.attempt.is_open:
        ended = _after_the_attempt(job, job.attempt, turn, now, creating=creating)
        if not isinstance(ended, Job):
            return ended
        job = ended
    if job.cancel_requested_at:
        return Canceled(job_id=job_id)
    if reused := reuse(job, now, reusing=creating.reusing):
        return reused
    return _go_on(job, turn, run_id, now, creating=creating)


def _after_the_attempt(
    job: Job, attempt: Attempt, turn: DispatchInput, now: datetime, *, creating: Creating
) -> Job | DispatchOutcome:
    """The job with its open attempt ended, if another may follow it; else what to do."""
    failure = turn.failure if turn.attempt_id == attempt.attempt_id else None
    if failure:
        report(attempt, failure, creating=creating, tenant=job.tenant)
    elif absence := proven_absence(attempt, now, creating.providers):
        return creating.jobs.save(job.without_a_task(attempt.attempt_id, absence, now))
    elif attempt.task_id or now < job.lost_call_deadline:
        return await_task(job, attempt, now, creating=creating)
    else:
        failure = uncertain(attempt.uncertainty or "the function ended before the provider's answer was noted")
    ended = job.attempt_failed(attempt.attempt_id, failure, now)
    given_up = Failed(job_id=job.job_id, failure=failure, attempt_id=attempt.attempt_id)
    if failure.charged is not Charged.NO:
        if isinstance(next_call(ended, creating.routes), Stop):
            return given_up
        if now < job.result_deadline and creating.control.states.look(()).halt:
            # No other call may leave: until one may, the task of this one has more time to announce itself.
            wait_seconds = jittered(_LOOK_AGAIN_SECONDS, job.job_id)
            return for_news(job, attempt, now, wait_seconds, _PAUSED)
    try:
        return creating.jobs.save(ended)
    except BudgetExceeded as error:
        # To accept the risk of a second bill, there must be money for it.
        _tell_exhausted(error, creating=creating)
        return given_up


def _go_on(job: Job, turn: DispatchInput, run_id: str, now: datetime, *, creating: Creating) -> DispatchOutcome:
    """Finds the route and the moment for the next call, and makes it if that is now.

    A route that is open, full, has a long queue or costs more than is left is passed over, as long as there is another.
    """
    if now >= job.deadline_at:
        stop = next_call(job, creating.routes)
        return Failed(job_id=job.job_id, failure=stop.failure) if isinstance(stop, Stop) else Expired(job_id=job.job_id)
    traffic = creating.control.states.look(candidates(job.request, creating.routes))
    if traffic.halt:
        wait_seconds = jittered(_LOOK_AGAIN_SECONDS, job.job_id)
        return _not_yet(job, now, wait_seconds, _PAUSED)
    shut = {name for name, state in traffic.routes.items() if state.breaker.circuit(now, job.tenant) is Circuit.OPEN}
    # First whoever takes it soon; then whoever takes it at all. The cheapest route is worth any wait.
    patiences = (None,) if job.request.policy is Policy.CHEAPEST else (_SOON, None)
    too_dear: dict[str, BudgetExceeded] = {}
    busy: dict[str, NotYet] = {}
    left: tuple[Route, ...] = ()
    for patience in patiences:
        # Where a place was taken, it is kept.
        busy = {name: wait for name, wait in busy.items() if wait.ticket}
        while True:
            step = next_call(job, creating.routes, shut={*shut, *too_dear, *busy})
            if isinstance(step, Stop):
                return Failed(job_id=job.job_id, failure=step.failure)
            if isinstance(step, Pause):
                left = step.routes
                break
            wait_seconds = 0 if turn.has_waited else step.wait_seconds
            if now + timedelta(seconds=wait_seconds) >= job.deadline_at:
                return Expired(job_id=job.job_id)
            if wait_seconds:
                return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason="an earlier call was refused")
            state = traffic.routes[step.route.name]
            before = job.deadline_at if patience is None else min(job.deadline_at, now + patience)
            try:
                outcome = _call(job, step.route, turn, run_id, state=state, before=before, creating=creating)
            except BudgetExceeded as error:
                # It costs more than was reserved for the job, and that much is not left.
                _tell_exhausted(error, creating=creating)
                too_dear[step.route.name] = error
                continue
            if not isinstance(outcome, _Busy):
                return outcome
            busy[step.route.name] = outcome.until_then
    if busy:
        return min(busy.values(), key=lambda wait: wait.wait_seconds)
    waiting = [route for route in left if route.name not in too_dear]
    if not waiting:
        return Failed(job_id=job.job_id, failure=budget_failure(next(iter(too_dear.values()))))
    return _until_a_route_is_available(waiting, traffic, now, job)


@dataclass(frozen=True, slots=True)
class _Busy:
    """The route does not take the job soon enough; what to do if no other does."""

    until_then: NotYet


def _call(
    job: Job,
    route: Route,
    turn: DispatchInput,
    run_id: str,
    *,
    state: RouteState,
    before: datetime,
    creating: Creating,
) -> DispatchOutcome | _Busy:
    """Calls the route, if it is the job's turn. If a turn would come only after `before`, takes no place."""
    control = creating.control
    now = control.clock.now()
    place = turn_on(
        route,
        job.tenant,
        state=state,
        ticket=turn.ticket,
        before=before,
        now=now,
        weights=control.weights,
        states=control.states,
    )
    if place is None:
        # As things are; but the queue may get shorter.
        wait_seconds = max(_LOOK_AGAIN_SECONDS, ceil((job.deadline_at - now).total_seconds() / 2))
        reason = f"the queue of {route.name} is longer than the job has time"
        return _Busy(_not_yet(job, now, wait_seconds, reason))
    if place.moment > now + _NOW:
        wait_seconds = ceil((place.moment - now).total_seconds())
        return _not_yet(job, now, wait_seconds, f"its turn on {route.name} comes later", place.ticket)
    if not job.attempts and (failure := unfetchable(job, objects=creating.objects, links=creating.links)):
        return Failed(job_id=job.job_id, failure=failure)
    probes = state.breaker.circuit(now, job.tenant) is Circuit.HALF_OPEN
    if probes and not may_probe(route, now=now, states=control.states, tenant=job.tenant):
        wait_seconds = jittered(_PROBE_SECONDS, job.job_id)
        return _Busy(_not_yet(job, now, wait_seconds, f"{route.name} is being probed", place.ticket))
    try:
        outcome = create_task(job, route, run_id, latencies=state.latencies, creating=creating)
    except Exception as error:
        # No call was made.
        if probes:
            give_back_probe(route, control=control)
        if not isinstance(error, RouteFull):
            raise
        if error.of_tenant:
            # The others find places there: it is no reason to call the route less often.
            wait_seconds = jittered(ceil(route.usual_seconds / _LOOKS_FOR_A_PLACE), job.job_id)
            reason = f"as many of the tenant's tasks run on {route.name} as may"
            return _Busy(_not_yet(job, now, wait_seconds, reason, place.ticket))
        record_saturation(route, control=control)
        wait_seconds = jittered(ceil(route.usual_seconds / route.max_in_flight), job.job_id)
        return _Busy(_not_yet(job, now, wait_seconds, f"{route.name} has as many tasks as it may", place.ticket))
    if outcome is None:
        if probes:
            give_back_probe(route, control=control)
        # The next look finds its intent.
        return NotYet(job_id=job.job_id, wait_seconds=2, reason="another run makes the call")
    return outcome


def _not_yet(job: Job, now: datetime, wait_seconds: int, reason: str, ticket: Ticket | None = None) -> NotYet:
    """Never past the deadline: there the job is told that it is over."""
    until_the_deadline = ceil((job.deadline_at - now).total_seconds())
    wait_seconds = max(1, min(wait_seconds, until_the_deadline))
    return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason=reason, ticket=ticket)


def _tell_exhausted(error: BudgetExceeded, *, creating: Creating) -> None:
    announcer = BudgetAnnouncer(ledger=creating.ledger, bus=creating.control.bus, clock=creating.control.clock)
    announcer.exhausted(error)


def _until_a_route_is_available(routes: Sequence[Route], traffic: RoutesSnapshot, now: datetime, job: Job) -> NotYet:
    """Until one of the routes may be probed, spread; a disabled one is looked at once a minute."""
    moments = [traffic.routes[route.name].breaker.opens_next(now) for route in routes]
    first = min((moment for moment in moments if moment), default=None)
    seconds = _LOOK_AGAIN_SECONDS if first is None else max(_PROBE_SECONDS, ceil((first - now).total_seconds()))
    reason = _NO_ROUTE if first is None else _NO_ROUTE_BUT_A_PROBE
    return _not_yet(job, now, jittered(seconds, job.job_id), reason)


def _internal(message: str) -> Failure:
    return Failure(code=FailureCode.INTERNAL, message=message, retryable=True, charged=Charged.NO)
