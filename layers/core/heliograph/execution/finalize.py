"""Finalize a job: copy and verify its results, or record why there are none; write the record, publish the event.

Every run may be repeated: a job that is over stays as it is, and its event is published again with the same `event_id`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from heliograph.execution.copy_results import ResultCopier
from heliograph.execution.end_job import JobEnder
from heliograph.execution.outcomes import (
    Canceled,
    Expired,
    Failed,
    FinalizeInput,
    FinalizeOutcome,
    Finished,
    Over,
    RetryFinalize,
    Watch,
)
from heliograph.execution.store_result import ResultStore
from heliograph.jobs.job import Job, JobStatus, Result
from heliograph.jobs.retry_policy import GIVE_UP, MAX_DELIVERIES, wait_before_delivery
from heliograph.kernel.errors import ResultUnusable
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.routes.config import Routes
from heliograph.routes.control import RouteControl
from heliograph.routes.poll_schedule import Latencies

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalizer:
    """Ends jobs by the outcome of their workflow."""

    jobs: JobStore
    store: ResultStore
    copier: ResultCopier
    ender: JobEnder
    routes: Routes
    control: RouteControl
    clock: Clock

    def finalize(self, outcome: FinalizeInput) -> FinalizeOutcome:
        """Stores a finished job's results, or ends the job without.

        Raises `StaleJob` or an `Unavailable` where a retry may succeed.
        """
        job = self.jobs.get(outcome.job_id)
        if job is None:
            # Only an execution started by hand can run for a job that does not exist; there is nothing to publish.
            return Over(job_id=outcome.job_id, status=JobStatus.FAILED)
        if job.is_over:
            return self.ender.publish(job)
        match outcome:
            case Finished() | RetryFinalize() if job.cancel_requested_at and not self.store.has_record(job):
                return self._withhold(job, outcome)
            case Finished() | RetryFinalize():
                return self._store(job, outcome)
            case Failed(failure=failure) if not _may_still_be_charged(job, outcome):
                return self.ender.fail(job, failure)
            case Expired() if not _may_still_be_charged(job, outcome):
                return self.ender.expire(job)
            case Canceled() if not _may_still_be_charged(job, outcome):
                return self.ender.cancel(job)
            case Failed() | Expired() | Canceled():
                # Another run made an attempt since this outcome, or the lost task announced itself: only the end of
                # that attempt can end the job.
                return self.ender.leave_to_sweep(job)

    def _withhold(self, job: Job, finished: Finished | RetryFinalize) -> Over:
        """Ends a canceled job whose task ran all the same: its images are paid, and stay at the provider."""
        now = self.clock.now()
        job = job.with_task_id(finished.watch.attempt_id, finished.watch.task_id, now)
        over = self.ender.save(job.canceled(now, provider_urls=finished.result_urls))
        self._record_success(job, finished)
        return over

    def _store(self, job: Job, finished: Finished | RetryFinalize) -> FinalizeOutcome:
        job = job.with_task_id(finished.watch.attempt_id, finished.watch.task_id, self.clock.now())
        copies = self.copier.copy_all(job, job.attempt, finished.result_urls)
        results = [copy for copy in copies if isinstance(copy, Result)]
        if unusable := [copy for copy in copies if isinstance(copy, ResultUnusable)]:
            return self._without_some(job, finished, results, unusable)
        succeeded = job.succeeded(results, self.clock.now(), ready_at=_ready_at(finished))
        self.store.store_record(succeeded)
        over = self.ender.save(succeeded)
        self._record_success(succeeded, finished)
        return over

    def _without_some(
        self,
        job: Job,
        finished: Finished | RetryFinalize,
        results: list[Result],
        unusable: list[ResultUnusable],
    ) -> FinalizeOutcome:
        store_attempts = finished.store_attempts + 1
        reason = "; ".join(str(error) for error in unusable)
        if store_attempts < MAX_DELIVERIES and any(error.again for error in unusable):
            return RetryFinalize(
                job_id=job.job_id,
                watch=finished.watch,
                result_urls=finished.result_urls,
                store_attempts=store_attempts,
                wait_seconds=wait_before_delivery(store_attempts),
                reason=reason,
                took_seconds=finished.took_seconds,
            )
        now = self.clock.now()
        if any(error.host_failed for error in unusable) and now < job.result_deadline + GIVE_UP:
            return self.ender.leave_to_sweep(job)
        failure = Failure(
            code=FailureCode.RESULT_UNUSABLE,
            message=f"the provider finished, but {reason}",
            retryable=False,
            charged=Charged.YES,
        )
        ended = job.failed(failure, now, results=results, provider_urls=finished.result_urls)
        if results:
            self.store.store_record(ended)
        return self.ender.save(ended)

    def _record_success(self, job: Job, finished: Finished | RetryFinalize) -> None:
        attempt = job.attempts[-1]
        if route := self.routes.named(attempt.route):
            has_callback = attempt.callback_sha256 is not None
            learn = partial(_learned, finished.watch, finished.took_seconds, has_callback)
            self.control.record_success(route, attempt.intended_at, tenant=job.tenant, learn=learn)


def _may_still_be_charged(job: Job, outcome: Failed | Expired | Canceled) -> bool:
    """True if an attempt is open other than the one whose end is reported here."""
    attempt = job.attempt
    if attempt is None or not attempt.is_open:
        return False
    if not isinstance(outcome, Failed) or attempt.attempt_id != outcome.attempt_id:
        return True
    return outcome.failure.code is FailureCode.SUBMISSION_UNCERTAIN and attempt.task_id is not None


def _ready_at(finished: Finished | RetryFinalize) -> datetime | None:
    """When the images became ready at the provider, as far as that is known."""
    began_at, took_seconds = finished.watch.began_at, finished.took_seconds
    return began_at + timedelta(seconds=took_seconds) if began_at and took_seconds is not None else None


def _learned(watch: Watch, took_seconds: float | None, has_callback: bool, latencies: Latencies) -> Latencies:
    """The route's latencies and share of callbacks with those of this task."""
    if watch.began_at is None or took_seconds is None:
        return latencies
    known = latencies.with_latency(took_seconds)
    if not has_callback:
        return known
    if watch.was_called_back:
        return known.with_callback()
    return known.without_callback(watch.asked_at_ms / 1000 - watch.began_at.timestamp() - took_seconds)
