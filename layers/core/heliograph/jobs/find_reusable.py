"""Find out whether an equal job has, or will have, a result that another may copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.jobs.job import JobStatus

if TYPE_CHECKING:
    from heliograph.jobs.job import Job, Result
    from heliograph.jobs.ports import JobStore, ReuseIndex


def is_reusable(reuse_key: str | None, *, index: ReuseIndex, jobs: JobStore) -> bool:
    """Whether a job of that key would now wait for another, or take its results: then nothing is reserved for it."""
    holder_id = index.holder(reuse_key) if reuse_key else None
    holder = jobs.get(holder_id) if holder_id else None
    return bool(holder and (not holder.is_over or images_of(holder)))


def images_of(job: Job) -> tuple[Result, ...]:
    """The results that another job may have copies of: all that the job was to bring."""
    if job.status is JobStatus.SUCCEEDED:
        return job.results
    return job.all_results if job.delivered_late_at else ()
