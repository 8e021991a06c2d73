"""`GET /v1/jobs` and `GET /v1/jobs/{id}`: jobs as their owner may see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints

from heliograph.jobs.job import Job, JobFilter, JobStatus, Result
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
# A function's answer has 6 MB at most. In it a job tells its metadata twice and has links, and the whole is a text in
# JSON once more.
MAX_SLICE_BYTES = 2_000_000


class JobsQuery(PageQuery):
    """Which jobs are wanted, and how many."""

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
        """Which jobs are wanted."""
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


def read_job(job_id: str, *, tenant: str, jobs: JobReader, objects: ObjectStore, clock: Clock) -> JobView | None:
    """The tenant's job; `None` where there is none, or where it is another tenant's: nobody learns which."""
    job = own_job(job_id, tenant=tenant, jobs=jobs)
    return view_of(job, objects=objects, clock=clock) if job else None


def list_jobs(query: JobsQuery, *, tenant: str, jobs: JobReader, objects: ObjectStore, clock: Clock) -> Page[JobView]:
    """The tenant's jobs, newest first; fewer than asked for where their records are very large."""
    found = jobs.listed(tenant, query.filter, after=query.after, limit=query.limit)
    told: list[JobView] = []
    size_bytes = 0
    for job in found.items:
        size_bytes += len(json.dumps(job.model_dump_json(), ensure_ascii=False).encode())
        if told and size_bytes > MAX_SLICE_BYTES:
            last = told[-1].job
            return Page(tuple(told), Cursor(last.created_at, last.job_id), found.unreadable)
        told.append(view_of(job, objects=objects, clock=clock))
    return Page(tuple(told), found.end, found.unreadable)


def own_job(job_id: str, *, tenant: str, jobs: JobReader) -> Job | None:
    """The tenant's job; `None` where there is none, or where it is another tenant's: nobody learns which."""
    job = jobs.get(job_id) if JOB_ID.fullmatch(job_id) else None
    return job if job and job.tenant == tenant else None


def view_of(job: Job, *, objects: ObjectStore, clock: Clock) -> JobView:
    """The job with links to its results, signed without a request."""
    expires_at = clock.now() + timedelta(seconds=RESULT_LINK_SECONDS)
    return JobView(
        job,
        tuple(
            LinkedResult(
                result,
                objects.presigned_get(
                    ObjectLocation(result.bucket, result.key, result.version_id), seconds=RESULT_LINK_SECONDS
                ),
                expires_at,
            )
            for result in job.all_results
        ),
    )
