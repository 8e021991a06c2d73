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
    """Entries, oldest first. `complete` is false if the workflow's history could not be read or is too long."""

    entries: tuple[TimelineEntry, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineReader:
    """Reads the timelines of jobs."""

    jobs: JobReader
    workflow: Workflow

    def read(self, job_id: str, *, tenant: str) -> Timeline | None:
        """The timeline of the tenant's job; `None` if there is no such job. The job's own record is always part of it.

        One read of the job, and one request for every 1,000 events of its execution, five at most.
        """
        job = own_job(job_id, tenant=tenant, jobs=self.jobs)
        if job is None:
            return None
        try:
            visits, complete = self.workflow.history(job_id)
        except WorkflowFailed:
            visits, complete = (), False
        return Timeline(timeline(job, visits), complete)
