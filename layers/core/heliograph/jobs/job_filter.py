"""Filters of lists of jobs."""

from __future__ import annotations

from pydantic import AwareDatetime

from heliograph.jobs.base import Record
from heliograph.jobs.job import Job
from heliograph.jobs.status import JobStatus


class JobFilter(Record):
    """Which jobs are wanted: those that match everything that is said."""

    status: JobStatus | None = None
    tag: str | None = None
    preset: str | None = None
    created_after: AwareDatetime | None = None

    def wants(self, job: Job) -> bool:
        """Whether the job is one of them."""
        return (
            self.status in (None, job.status)
            and (self.tag is None or self.tag in job.request.tags)
            and self.preset in (None, job.source.preset)
            and (self.created_after is None or job.created_at > self.created_after)
        )
