"""Filters of lists of jobs."""

from __future__ import annotations

from pydantic import AwareDatetime

from heliograph.jobs.base import Record
from heliograph.jobs.job import Job
from heliograph.jobs.status import JobStatus


class JobFilter(Record):
    """Criteria of a list of jobs. A job must match all that are given."""

    status: JobStatus | None = None
    tag: str | None = None
    preset: str | None = None
    created_after: AwareDatetime | None = None

    def wants(self, job: Job) -> bool:
        """True if the job matches."""
        return (
            self.status in (None, job.status)
            and (self.tag is None or self.tag in job.request.tags)
            and self.preset in (None, job.source.preset)
            and (self.created_after is None or job.created_at > self.created_after)
        )
