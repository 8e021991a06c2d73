"""End a job: save its terminal state, then publish its event.

Every method may run twice: a job that is over stays as it is, and its event is published again with the same
`event_id`, because the first run may have ended before it published it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.execution.outcomes import Orphaned, Over
from heliograph.jobs.job import Job
from heliograph.jobs.publish_end import announce
from heliograph.kernel.errors import StaleJob
from heliograph.kernel.failures import Charged, Failure, FailureCode

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock, EventBus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnder:
    """Ends jobs, or leaves them to `sweep`. All methods raise `StaleJob` or an `Unavailable` if a retry may succeed."""

    jobs: JobStore
    bus: EventBus
    clock: Clock
    results_bucket: str

    def fail(self, job: Job, failure: Failure, *, provider_urls: Sequence[str] = ()) -> Over:
        """Ends the job without an image. `provider_urls`: where one can be downloaded by hand, for a few days."""
        now = self.clock.now()
        if job.cancel_requested_at:
            return self.save(job.canceled(now, failure=failure, provider_urls=provider_urls))
        return self.save(job.failed(failure, now, provider_urls=provider_urls))

    def expire(self, job: Job) -> Over:
        """Ends a job whose deadline passed while no task of it was running."""
        if job.cancel_requested_at:
            return self.cancel(job)
        if job.unknown_cost_microusd:
            return self.fail(job, _deadline_passed())
        return self.save(job.expired(_deadline_passed(), self.clock.now()))

    def cancel(self, job: Job) -> Over:
        """Ends a job that its owner canceled, while no task of it is running."""
        return self.save(job.canceled(self.clock.now()))

    def leave_to_sweep(self, job: Job) -> Orphaned:
        """Leaves the job open without a workflow: `sweep` takes it over."""
        self.jobs.save(job.as_orphaned(self.clock.now()))
        return Orphaned(job_id=job.job_id)

    def save(self, ended: Job) -> Over:
        """Saves the terminal state, then publishes: in this order, so that no event reports what did not happen."""
        try:
            ended = self.jobs.save(ended)
        except StaleJob:
            current = self.jobs.get(ended.job_id)
            if current and ended.results and _was_only_canceled(ended, current):
                # Too late: its images are in the bucket.
                ended = self.jobs.save(ended.rebased_on(current))
            elif current is None or not current.is_over:
                raise
            else:
                ended = current
        return self.publish(ended)

    def publish(self, job: Job) -> Over:
        """Publishes the event of a job that is over."""
        announce(job, jobs=self.jobs, bus=self.bus, results_bucket=self.results_bucket)
        return Over(job_id=job.job_id, status=job.status)


def _was_only_canceled(ended: Job, current: Job) -> bool:
    return (
        not current.is_over
        and current.revision == ended.revision + 1
        and ended.cancel_requested_at is None
        and current.cancel_requested_at is not None
    )


def _deadline_passed() -> Failure:
    return Failure(
        code=FailureCode.PROVIDER_TIMEOUT,
        message="the job's deadline passed before an image could be made",
        retryable=True,
        charged=Charged.NO,
    )
