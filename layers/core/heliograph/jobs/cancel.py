"""Cancel a job: `POST /v1/jobs/{id}/cancel`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.jobs.job import Job
from heliograph.jobs.publish_end import announce
from heliograph.jobs.read_jobs import own_job
from heliograph.kernel.errors import Conflict, PublishFailed
from heliograph.kernel.retry_on_conflict import update_with_retry

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock, EventBus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCanceler:
    """Cancels jobs."""

    jobs: JobStore
    bus: EventBus
    clock: Clock
    results_bucket: str

    def cancel(self, job_id: str, *, tenant: str) -> Job | None:
        """The tenant's job: canceled if no create call has left, else marked for cancellation. `None` if not found.

        A task can't be stopped at the provider and may be charged. Its job is canceled when the task has ended, and the
        image is not stored. A second call changes nothing. Raises `Conflict` for a job that has ended, and `StaleJob`
        or `StorageFailed` where a repeat may succeed.
        """
        # A workflow writes to a job at most a few times a minute.
        saved = update_with_retry(lambda: own_job(job_id, tenant=tenant, jobs=self.jobs), self._canceled)
        if saved and saved.is_over:
            with suppress(PublishFailed):
                announce(saved, jobs=self.jobs, bus=self.bus, results_bucket=self.results_bucket)
        return saved

    def _canceled(self, job: Job | None) -> Job | None:
        if job is None or (job.cancel_requested_at and not job.is_over):
            return job
        if job.is_over:
            raise Conflict("not_cancelable", f"the job is {job.status} already")
        now = self.clock.now()
        runs = job.attempt is not None and job.attempt.is_open
        return self.jobs.save(job.with_cancel_requested(now) if runs else job.canceled(now))
