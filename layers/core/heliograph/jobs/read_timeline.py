"""`GET /v1/jobs/{id}/events`: everything that happened to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.jobs.read_jobs import own_job
from heliograph.jobs.timeline import TimelineEntry, timeline
from heliograph.kernel.errors import WorkflowFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader, Workflow


@dataclass(frozen=True, slots=True)
class Timeline:
    """Moments, oldest first. Not `complete`: the workflow's own history could not be had, or is too long."""

    moments: tuple[TimelineEntry, ...]
    complete: bool


def read_timeline(job_id: str, *, tenant: str, jobs: JobReader, workflow: Workflow) -> Timeline | None:
    """Of the tenant's job; `None` if there is no such. What its record says is always told."""
    job = own_job(job_id, tenant=tenant, jobs=jobs)
    if job is None:
        return None
    try:
        stays, complete = workflow.history(job_id)
    except WorkflowFailed:
        stays, complete = (), False
    return Timeline(timeline(job, stays), complete)
