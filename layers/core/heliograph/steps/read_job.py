"""`GET /v1/jobs/{id}`: a job as its owner may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from heliograph.domain.identity import JOB_ID
from heliograph.domain.jobs import Job, Result
from heliograph.domain.references import ObjectLocation
from heliograph.ports import Clock, JobStore, ObjectStore

RESULT_LINK_SECONDS = 900


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


def read_job(job_id: str, *, tenant: str, jobs: JobStore, objects: ObjectStore, clock: Clock) -> JobView | None:
    """The tenant's job; `None` where there is none, or where it is another tenant's: nobody learns which."""
    if not JOB_ID.fullmatch(job_id):
        return None
    job = jobs.get(job_id)
    if job is None or job.tenant != tenant:
        return None
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
            for result in job.results
        ),
    )
