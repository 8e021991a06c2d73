"""Recover a job whose workflow ended without ending it: aborted, timed out, or crashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.execution.end_job import JobEnder
from heliograph.execution.finalize import Finalizer
from heliograph.execution.outcomes import Finished, Over, RecoverOutcome, RetryFinalize, Watch
from heliograph.execution.poll import without_result
from heliograph.execution.prove_absence import proven_absence
from heliograph.execution.task_state import task_state
from heliograph.jobs.job import Attempt, Job, JobStatus
from heliograph.jobs.retry_policy import GIVE_UP, MAX_DELIVERIES, RESULT_PATIENCE
from heliograph.kernel.errors import Unavailable
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, StillRunning, TaskFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock
    from heliograph.providers.ports import ImageProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverer:
    """Ends jobs that no workflow works for."""

    jobs: JobStore
    providers: Mapping[str, ImageProvider]
    finalizer: Finalizer
    ender: JobEnder
    clock: Clock

    def recover(self, job_id: str, error: str, *, watch: Watch | None = None) -> RecoverOutcome:
        """Ends the job in exactly one terminal state. Polls a task that may be paid first, and stores its results.

        `error`: why the workflow ended, in its own words. `watch`: the task that it knew of. While a task runs and the
        deadline has not passed, the job stays open as an orphan, for `sweep` to poll again. A second run, or one for a
        job that is over, changes nothing. Raises an `Unavailable` where a later run may succeed.
        """
        job = self.jobs.get(job_id)
        if job is None:
            return Over(job_id=job_id, status=JobStatus.FAILED)
        if job.is_over:
            return self.ender.publish(job)
        now = self.clock.now()
        if watch:
            job = job.with_task_id(watch.attempt_id, watch.task_id, now)
        attempt = job.attempt
        if attempt is None or not attempt.is_open:
            if now >= job.deadline_at:
                return self.ender.expire(job)
            return self.ender.fail(job, crashed(error, Charged.NO))
        if attempt.task_id is None:
            return self._end_lost_call(job, attempt, error)
        match task_state(self.providers, attempt.provider, attempt.task_id):
            case Completed(result_urls):
                return self._store_now(job, attempt, attempt.task_id, result_urls)
            case TaskFailed(failure):
                return self.ender.fail(job, failure)
            case StillRunning() | NoAnswer() | NoResultYet() as state:
                if now < job.result_deadline + _patience(state):
                    return self.ender.leave_to_sweep(job)
                if isinstance(state, NoResultYet):
                    return self.ender.fail(job, without_result())
                running = f"{error}, while task {attempt.task_id} was running"
                return self.ender.fail(job, crashed(running, Charged.UNKNOWN))

    def _end_lost_call(self, job: Job, attempt: Attempt, error: str) -> RecoverOutcome:
        """Ends a job whose create call has no recorded answer; leaves it to `sweep` while its task may turn up."""
        now = self.clock.now()
        if absence := proven_absence(attempt, now, self.providers):
            job = job.without_a_task(attempt.attempt_id, absence, now)
            return self.ender.fail(job, crashed(error, Charged.NO))
        if now < job.lost_call_deadline:
            # Its answer may still be recorded, or its task announce itself; only then is the job's state known.
            return self.ender.leave_to_sweep(job)
        return self.ender.fail(job, _lost(error))

    def _store_now(self, job: Job, attempt: Attempt, task_id: str, result_urls: tuple[str, ...]) -> RecoverOutcome:
        watch = Watch(
            attempt_id=attempt.attempt_id,
            provider=attempt.provider,
            model=attempt.model,
            task_id=task_id,
            deadline_at=job.result_deadline,
        )
        # One attempt: no workflow is left to wait for another, and `sweep` comes again, until it is the last.
        is_last = self.clock.now() >= job.result_deadline + GIVE_UP
        store_attempts = MAX_DELIVERIES - 1 if is_last else 0
        finished = Finished(job_id=job.job_id, watch=watch, result_urls=result_urls, store_attempts=store_attempts)
        try:
            outcome = self.finalizer.finalize(finished)
        except Unavailable as error:
            if not is_last:
                raise
            message = f"the provider finished, but the result could not be stored for a day: {error}"
            failure = Failure(code=FailureCode.RESULT_UNUSABLE, message=message, retryable=False, charged=Charged.YES)
            return self.ender.fail(job, failure, provider_urls=result_urls)
        if isinstance(outcome, RetryFinalize):
            return self.ender.leave_to_sweep(job)
        return outcome


def crashed(error: str, charged: Charged) -> Failure:
    """Failure of a job whose workflow ended early."""
    return Failure(
        code=FailureCode.INTERNAL,
        message=f"the workflow ended early: {error}",
        retryable=charged is Charged.NO,
        charged=charged,
    )


def _lost(error: str) -> Failure:
    return Failure(
        code=FailureCode.SUBMISSION_UNCERTAIN,
        message=f"it is unknown whether the provider created a task: {error}, while a create call was on its way",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _patience(state: StillRunning | NoAnswer | NoResultYet) -> timedelta:
    """Time beyond its deadline for which a task is polled."""
    match state:
        case NoAnswer():
            # There may be a paid image: that is worth a day.
            return GIVE_UP
        case NoResultYet():
            return RESULT_PATIENCE
        case StillRunning():
            return timedelta(0)
