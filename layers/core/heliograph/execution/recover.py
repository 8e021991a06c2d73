"""Tidy up after a workflow that ended without ending its job: aborted, timed out, crashed, or never begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.execution.finalize import Ending, announced, expire, fail, finalize, leave_to_sweep
from heliograph.execution.outcomes import CloseOutcome, Finished, Over, RetryFinalize, Watch
from heliograph.execution.poll import without_result
from heliograph.execution.prove_absence import proven_absence
from heliograph.execution.settle import ask, settle
from heliograph.jobs.job import Attempt, Job, JobStatus
from heliograph.jobs.publish_end import announce, announce_settlements
from heliograph.jobs.retry_policy import GIVE_UP, MAX_DELIVERIES, RESULT_PATIENCE
from heliograph.kernel.errors import StaleJob, StorageFailed, Unavailable
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, StillRunning, TaskFailed
from heliograph.routes.config import Route
from heliograph.routes.control import RouteControl, announce_switches

if TYPE_CHECKING:
    from heliograph.budgets.announce import BudgetWatch
    from heliograph.jobs.ports import Workflow
    from heliograph.providers.ports import ImageProvider

# What looking after one job may take: a question, and a download of its longest.
ONE_JOB = timedelta(seconds=180)


def close(
    job_id: str,
    error: str,
    *,
    watch: Watch | None = None,
    providers: Mapping[str, ImageProvider],
    ending: Ending,
) -> CloseOutcome:
    """Ends the job in exactly one terminal state; a task that may be paid is asked for first, and delivered.

    `error` is why the workflow ended, in its own words; `watch` the task that it knew of. While a task runs and the
    deadline has not passed, the job is left open as an orphan, for `sweep` to ask again. Running this twice, or for a
    job that is over, changes nothing. Raises an `Unavailable` where a later run may do better.
    """
    job = ending.jobs.get(job_id)
    if job is None:
        return Over(job_id=job_id, status=JobStatus.FAILED)
    if job.is_over:
        return announced(job, ending=ending)
    now = ending.clock.now()
    if watch:
        job = job.with_task_id(watch.attempt_id, watch.task_id, now)
    attempt = job.attempt
    if attempt is None or not attempt.is_open:
        if now >= job.deadline_at:
            return expire(job, ending=ending)
        return fail(job, _crashed(error, Charged.NO), ending=ending)
    if attempt.task_id is None:
        return _close_lost(job, attempt, error, providers=providers, ending=ending)
    match ask(attempt, attempt.task_id, providers):
        case Completed(result_urls):
            return _deliver_now(job, attempt, attempt.task_id, result_urls, ending=ending)
        case TaskFailed(failure):
            return fail(job, failure, ending=ending)
        case StillRunning() | NoAnswer() | NoResultYet() as state:
            if now < job.result_deadline + _patience(state):
                return leave_to_sweep(job, ending=ending)
            if isinstance(state, NoResultYet):
                return fail(job, without_result(), ending=ending)
            running = f"{error}, while task {attempt.task_id} was running"
            return fail(job, _crashed(running, Charged.UNKNOWN), ending=ending)


def _close_lost(
    job: Job, attempt: Attempt, error: str, *, providers: Mapping[str, ImageProvider], ending: Ending
) -> CloseOutcome:
    """Ends a job whose create call got no answer that was noted; or leaves it to `sweep` while a task may turn up."""
    now = ending.clock.now()
    if absence := proven_absence(attempt, now, providers):
        job = job.without_a_task(attempt.attempt_id, absence, now)
        return fail(job, _crashed(error, Charged.NO), ending=ending)
    if now < job.lost_call_deadline:
        # Its answer may still be noted, or its task announce itself; only then can anybody say how the job stands.
        return leave_to_sweep(job, ending=ending)
    return fail(job, _lost(error), ending=ending)


def _patience(state: StillRunning | NoAnswer | NoResultYet) -> timedelta:
    """For how long beyond its time a task is asked about."""
    match state:
        case NoAnswer():
            # Nobody knows whether there is a picture: that is worth a day.
            return GIVE_UP
        case NoResultYet():
            return RESULT_PATIENCE
        case StillRunning():
            return timedelta(0)


def sweep(
    *,
    time_left: Callable[[], timedelta],
    workflow: Workflow,
    providers: Mapping[str, ImageProvider],
    ending: Ending,
    routes: Sequence[Route],
    control: RouteControl,
    budgets: BudgetWatch,
    limit: int = 1000,
) -> list[str]:
    """Looks after every job that should have moved by now: starts what never started, asks for what nobody waits for,
    closes what is stuck, announces what was not, of the jobs, of the routes and of the budgets.

    Returns what was done, one entry for each, for the log; stops while there is `time_left` for one more job. The last
    net under all others: a start that failed after the job was written, a status event that was lost, a bus that was
    away.
    """
    done = [*_announce_switches(routes, control=control), *budgets.warn()]
    for job_id in ending.jobs.needing_attention(ending.clock.now(), limit=limit):
        if time_left() < ONE_JOB:
            break
        if did := _look_after(job_id, workflow=workflow, providers=providers, ending=ending):
            done.append(did)
    return done


def _announce_switches(routes: Sequence[Route], *, control: RouteControl) -> list[str]:
    try:
        return announce_switches(routes, control=control)
    except StorageFailed as error:
        return [f"left the routes: {error}"]


def _look_after(
    job_id: str, *, workflow: Workflow, providers: Mapping[str, ImageProvider], ending: Ending
) -> str | None:
    """What was done; `None` if the job needs nothing after all: the index lags behind the table."""
    now = ending.clock.now()
    try:
        job = ending.jobs.get(job_id)
        if job is None or job.attention_at is None or job.attention_at > now:
            return None
        if job.is_over:
            return _look_after_the_end(job, providers=providers, ending=ending)
        if job.attempts or now >= job.deadline_at:
            # Noted before it is begun: should this run die of it, the next begins with another.
            ending.jobs.save(job.as_orphaned(now))
            outcome = close(job_id, "it never ended the job", providers=providers, ending=ending)
            return f"closed {job_id}: {outcome.outcome}"
        started = workflow.start(job_id)
    except Exception as error:
        return _set_aside(job_id, error, ending=ending)
    # Not to know this costs another look, no more.
    with suppress(StaleJob, StorageFailed):
        ending.jobs.save(job.as_started())
    return f"started {job.job_id}" if started else f"waited for {job.job_id}"


def _look_after_the_end(job: Job, *, providers: Mapping[str, ImageProvider], ending: Ending) -> str:
    """Announces what was not, and polls the tasks in doubt when that is due."""
    to_the_bus: dict[str, Any] = {"jobs": ending.jobs, "bus": ending.bus, "results_bucket": ending.results_bucket}
    did = []
    if not job.announced:
        job = announce(job, **to_the_bus)
        did.append("announced")
    if any(not settlement.announced for settlement in job.settlements):
        job = announce_settlements(job, **to_the_bus)
        did.append("announced the settlement of")
    if job.late_look_at and job.late_look_at <= ending.clock.now():
        known = len(job.settlements)
        job = settle(job, providers=providers, ending=ending)
        did.append("settled" if len(job.settlements) > known else "polled the late task of")
    return f"{' and '.join(did)} {job.job_id}"


def _set_aside(job_id: str, error: Exception, *, ending: Ending) -> str:
    """Whatever is wrong with one job must not keep the others waiting, nor go on for ever."""
    what = f"{job_id}: {type(error).__name__}: {error}"
    with suppress(Exception):
        current = ending.jobs.get(job_id)
        if current and not current.is_over and current.attempts:
            if ending.clock.now() >= current.result_deadline + 2 * GIVE_UP:
                fail(current, _crashed(f"for days, {type(error).__name__}", Charged.UNKNOWN), ending=ending)
                return f"gave up {what}"
            leave_to_sweep(current, ending=ending)
    return f"left {what}"


def _deliver_now(
    job: Job, attempt: Attempt, task_id: str, result_urls: tuple[str, ...], *, ending: Ending
) -> CloseOutcome:
    watch = Watch(
        attempt_id=attempt.attempt_id,
        provider=attempt.provider,
        model=attempt.model,
        task_id=task_id,
        deadline_at=job.result_deadline,
    )
    # One try: no workflow is left to wait for another, and `sweep` comes again, until it is the last.
    is_last = ending.clock.now() >= job.result_deadline + GIVE_UP
    deliveries = MAX_DELIVERIES - 1 if is_last else 0
    finished = Finished(job_id=job.job_id, watch=watch, result_urls=result_urls, deliveries=deliveries)
    try:
        outcome = finalize(finished, ending=ending)
    except Unavailable as error:
        if not is_last:
            raise
        message = f"the provider finished, but the result could not be stored for a day: {error}"
        failure = Failure(code=FailureCode.RESULT_UNUSABLE, message=message, retryable=False, charged=Charged.YES)
        return fail(job, failure, ending=ending, provider_urls=result_urls)
    if isinstance(outcome, RetryFinalize):
        return leave_to_sweep(job, ending=ending)
    return outcome


def _lost(error: str) -> Failure:
    return Failure(
        code=FailureCode.SUBMISSION_UNCERTAIN,
        message=f"nobody knows whether the provider made a task: {error}, while a create call was on its way",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _crashed(error: str, charged: Charged) -> Failure:
    return Failure(
        code=FailureCode.INTERNAL,
        message=f"the workflow ended early: {error}",
        retryable=charged is Charged.NO,
        charged=charged,
    )
