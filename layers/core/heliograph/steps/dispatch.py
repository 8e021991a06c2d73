"""Create the job's task at the provider: the only place where money is committed.

Before a call leaves, its intent is written to the job; what comes back is written after. Whatever happens between
the two, a later run finds the intent and never calls again blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from heliograph.domain.errors import StaleJob, StorageFailed
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.identity import derived_id
from heliograph.domain.jobs import Attempt, Job
from heliograph.domain.outcomes import (
    DispatchOutcome,
    Expired,
    Failed,
    Finished,
    NotYet,
    Over,
    Processing,
    Turn,
    Watch,
)
from heliograph.domain.polling import wait_before_asking
from heliograph.domain.provider import Accepted, Refused, TaskRequest, Uncertain
from heliograph.domain.references import ObjectLocation
from heliograph.domain.retrying import CALL_LIMIT
from heliograph.domain.routes import Route, Routes
from heliograph.domain.routing import Stop, next_call
from heliograph.ports import Clock, ImageProvider, JobStore, ObjectStore

# The provider fetches references when it works on the task, which may be minutes later.
REFERENCE_LINK_SECONDS = 3600
_NOTE_TRIES = 2


def dispatch(
    turn: Turn,
    *,
    run_id: str,
    jobs: JobStore,
    objects: ObjectStore,
    providers: Mapping[str, ImageProvider],
    routes: Routes,
    clock: Clock,
) -> DispatchOutcome:
    """One step towards a task: makes at most one create call, and none where an earlier one may have arrived.

    `run_id` is this run's own, and no other's.
    """
    job_id = turn.job_id
    job = jobs.get(job_id)
    if job is None:
        return Failed(job_id=job_id, failure=_internal(f"{job_id} has no record"))
    if job.is_over:
        return Over(job_id=job_id, status=job.status)
    now = clock.now()
    if job.attempt and job.attempt.is_open:
        if turn.failure is None or job.attempt.attempt_id != turn.attempt_id:
            return _resume(job, job.attempt, now)
        if turn.failure.charged is not Charged.NO:
            return Failed(job_id=job_id, failure=turn.failure, attempt_id=turn.attempt_id)
        job = jobs.save(job.refused(job.attempt.attempt_id, turn.failure, now))
    step = next_call(job, routes)
    if isinstance(step, Stop):
        return Failed(job_id=job_id, failure=step.failure)
    wait_seconds = 0 if turn.has_waited else step.wait_seconds
    if now + timedelta(seconds=wait_seconds) >= job.deadline_at:
        return Expired(job_id=job_id)
    if wait_seconds:
        return NotYet(job_id=job_id, wait_seconds=wait_seconds)
    request = _task_request(job, step.route, objects)

    attempt_id = derived_id("att", job_id, str(len(job.attempts) + 1))
    intended = job.attempting(attempt_id, run_id, step.route, now)
    claimed = _claim(intended, attempt_id, run_id, jobs=jobs)
    if claimed is None:
        # Another run of this very step was faster; the next look finds its intent.
        return NotYet(job_id=job_id, wait_seconds=2)
    outcome = providers[step.route.provider].create(request)
    return _record(claimed, attempt_id, outcome, jobs=jobs, routes=routes, clock=clock)


def _resume(job: Job, attempt: Attempt, now: datetime) -> DispatchOutcome:
    if attempt.task_id:
        return _watch(job, attempt.attempt_id, attempt.task_id, now)
    if now < attempt.intended_at + CALL_LIMIT:
        # The call may be on its way in another run of this function.
        remaining = attempt.intended_at + CALL_LIMIT - now
        return NotYet(job_id=job.job_id, wait_seconds=max(1, int(remaining.total_seconds()) + 1))
    failure = _uncertain("the function ended before the provider's answer was noted")
    return Failed(job_id=job.job_id, failure=failure, attempt_id=attempt.attempt_id)


def _record(
    job: Job,
    attempt_id: str,
    outcome: Accepted | Refused | Uncertain,
    *,
    jobs: JobStore,
    routes: Routes,
    clock: Clock,
) -> DispatchOutcome:
    now = clock.now()
    match outcome:
        case Accepted(task_id, result_urls):
            _note(job, lambda current: current.accepted(attempt_id, task_id, now), jobs=jobs)
            processing = _watch(job.accepted(attempt_id, task_id, now), attempt_id, task_id, now)
            if result_urls:
                return Finished(job_id=job.job_id, watch=processing.watch, result_urls=result_urls)
            return processing
        case Uncertain(reason):
            # The attempt stays open: its task may exist. (Waiting for it to announce itself belongs here.)
            return Failed(job_id=job.job_id, failure=_uncertain(reason), attempt_id=attempt_id)
        case Refused(failure, retry_after_seconds):
            noted = _note(
                job,
                lambda current: current.refused(attempt_id, failure, now, retry_after_seconds=retry_after_seconds),
                jobs=jobs,
            )
            if noted is None:
                # What can't be noted must not be tried again: the next run could not tell it from an uncertain call.
                return Failed(job_id=job.job_id, failure=failure, attempt_id=attempt_id)
            step = next_call(noted, routes)
            if isinstance(step, Stop) or now + timedelta(seconds=step.wait_seconds) >= job.deadline_at:
                return Failed(job_id=job.job_id, failure=failure)
            return NotYet(job_id=job.job_id, wait_seconds=max(1, step.wait_seconds))


def _claim(intended: Job, attempt_id: str, run_id: str, *, jobs: JobStore) -> Job | None:
    """The job with this run's intent written; `None` if another run's is. Certain, whatever the store answered.

    A write whose answer is lost may be there all the same: repeated below us, it then looks as if somebody else
    had been faster. The run's own id tells.
    """
    try:
        return jobs.save(intended)
    except (StaleJob, StorageFailed) as error:
        current = jobs.get(intended.job_id)
        if current and current.attempt and current.attempt.attempt_id == attempt_id:
            return current if current.attempt.run_id == run_id else None
        if isinstance(error, StaleJob):
            return None
        raise


def _note(job: Job, change: Callable[[Job], Job], *, jobs: JobStore) -> Job | None:
    """The changed job, written as best it can: the workflow carries what matters too, so `None` loses nothing."""
    current: Job | None = job
    for _ in range(_NOTE_TRIES):
        try:
            if current is None:
                return None
            return jobs.save(change(current))
        except (StaleJob, StorageFailed):
            with suppress(StorageFailed):
                current = jobs.get(job.job_id)
    return None


def _watch(job: Job, attempt_id: str, task_id: str, now: datetime) -> Processing:
    attempt = next(attempt for attempt in job.attempts if attempt.attempt_id == attempt_id)
    watch = Watch(
        attempt_id=attempt_id,
        provider=attempt.provider,
        model=attempt.model,
        task_id=task_id,
        deadline_at=job.patience_ends_at,
    )
    wait_seconds = wait_before_asking(0, now=now, deadline_at=watch.deadline_at)
    return Processing(job_id=job.job_id, wait_seconds=wait_seconds, watch=watch)


def _task_request(job: Job, route: Route, objects: ObjectStore) -> TaskRequest:
    request = job.request
    return TaskRequest(
        model=route.model,
        prompt=request.prompt,
        aspect_ratio=request.aspect_ratio,
        nsfw_checker=request.nsfw_checker,
        reference_urls=tuple(_fetchable(reference, objects) for reference in request.references),
    )


def _fetchable(reference: str, objects: ObjectStore) -> str:
    if reference.startswith("s3://"):
        return objects.presigned_get(ObjectLocation.parse(reference), seconds=REFERENCE_LINK_SECONDS)
    return reference


def _uncertain(reason: str) -> Failure:
    return Failure(
        code=FailureCode.SUBMISSION_UNCERTAIN,
        message=f"nobody knows whether the provider made a task: {reason}",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _internal(message: str) -> Failure:
    return Failure(code=FailureCode.INTERNAL, message=message, retryable=True, charged=Charged.NO)
