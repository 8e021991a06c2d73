"""`POST /v1/jobs/{id}/cancel`: no picture is wanted any more."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from heliograph.jobs.job import Job
from heliograph.jobs.publish_end import announce
from heliograph.jobs.read_jobs import own_job
from heliograph.kernel.errors import Conflict, PublishFailed, StaleJob

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock, EventBus

# A workflow writes to a job a few times a minute at most.
_TRIES = 5


def cancel_job(
    job_id: str, *, tenant: str, jobs: JobStore, bus: EventBus, clock: Clock, results_bucket: str
) -> Job | None:
    """The tenant's job: canceled, if no call for it has left; else with the wish noted. `None` if there is no such job.

    A task can't be stopped at the provider and may be charged: such a job is canceled when its task has ended, and its
    picture is not delivered. Asking twice changes nothing. Raises `Conflict` for a job that is over, and `StaleJob` or
    `StorageFailed` where a repeat will do better.
    """
    for _ in range(_TRIES):
        job = own_job(job_id, tenant=tenant, jobs=jobs)
        if job is None:
            return None
        if job.is_over:
            raise Conflict("not_cancelable", f"the job is {job.status} already")
        if job.cancel_requested_at:
            return job
        now = clock.now()
        runs = job.attempt is not None and job.attempt.is_open
        try:
            saved = jobs.save(job.with_cancel_requested(now) if runs else job.canceled(now))
        except StaleJob:
            continue
        if saved.is_over:
            with suppress(PublishFailed):
                announce(saved, jobs=jobs, bus=bus, results_bucket=results_bucket)
        return saved
    raise StaleJob(job_id)
