"""`GET /v1/jobs` and `GET /v1/jobs/{id}`: jobs as their owner may see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints

from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.results import Result
from heliograph.kernel.ids import JOB_ID
from heliograph.kernel.pagination import Cursor, Page, PageQuery, in_utc
from heliograph.kernel.patterns import Pattern
from heliograph.kernel.query_params import QueryTime
from heliograph.storage.layout import PRESET_NAME
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock
    from heliograph.storage.ports import ObjectStore

RESULT_LINK_SECONDS = 900
# A function's answer has at most 6 MB. A job's representation repeats its metadata and has links, and the answer is
# encoded as a JSON string once more.
MAX_PAGE_BYTES = 2_000_000


class JobsQuery(PageQuery):
    """The query of `GET /v1/jobs`: a filter, a limit and a cursor."""

    status: Annotated[JobStatus | None, Field(description="Only jobs that are there.")] = None
    tag: Annotated[
        str | None, StringConstraints(min_length=1, max_length=64), Field(description="Only jobs that carry it.")
    ] = None
    preset: Annotated[
        Annotated[
            str,
            Pattern(
                PRESET_NAME.pattern,
                "must be the name of a preset: 1 to 64 letters, digits, hyphens and underscores, and begin with a "
                "letter or a digit",
            ),
        ]
        | None,
        Field(description="Only jobs of uploads under that preset."),
    ] = None
    created_after: Annotated[
        Annotated[QueryTime, AfterValidator(in_utc)] | None, Field(description="Only jobs that were made after this.")
    ] = None

    @property
    def filter(self) -> JobFilter:
        """The part of the query that selects jobs."""
        return JobFilter(status=self.status, tag=self.tag, preset=self.preset, created_after=self.created_after)


@dataclass(frozen=True, slots=True)
class LinkedResult:
    """A result with a link that reads it until `expires_at`. The link is a secret."""

    result: Result
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and links to its results."""

    job: Job
    results: tuple[LinkedResult, ...]


def own_job(job_id: str, *, tenant: str, jobs: JobReader) -> Job | None:
    """The tenant's job; `None` where there is none or it is another tenant's, so that nobody learns which."""
    job = jobs.get(job_id) if JOB_ID.fullmatch(job_id) else None
    return job if job and job.tenant == tenant else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobViewer:
    """Adds links to a job's results."""

    objects: ObjectStore
    clock: Clock

    def view(self, job: Job) -> JobView:
        """The job with links to its results, signed without a request."""
        expires_at = self.clock.now() + timedelta(seconds=RESULT_LINK_SECONDS)
        return JobView(
            job,
            tuple(
                LinkedResult(
                    result,
                    self.objects.presigned_get(
                        ObjectLocation(result.bucket, result.key, result.version_id), seconds=RESULT_LINK_SECONDS
                    ),
                    expires_at,
                )
                for result in job.all_results
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsReader:
    """Reads a tenant's jobs."""

    jobs: JobReader
    viewer: JobViewer

    def read(self, job_id: str, *, tenant: str) -> JobView | None:
        """The tenant's job; `None` where there is none or it is another tenant's, so that nobody learns which."""
        job = own_job(job_id, tenant=tenant, jobs=self.jobs)
        return self.viewer.view(job) if job else None

    def list(self, query: JobsQuery, *, tenant: str) -> Page[JobView]:
        """The tenant's jobs, newest first; fewer than `limit` where their records are very large."""
        found = self.jobs.list(tenant, query.filter, after=query.after, limit=query.limit)
        views: list[JobView] = []
        size_bytes = 0
        for job in found.items:
            size_bytes += len(json.dumps(job.model_dump_json(), ensure_ascii=False).encode())
            if views and size_bytes > MAX_PAGE_BYTES:
                last = views[-1].job
                return Page(tuple(views), Cursor(last.created_at, last.job_id), found.unreadable)
            views.append(self.viewer.view(job))
        return Page(tuple(views), found.end, found.unreadable)
