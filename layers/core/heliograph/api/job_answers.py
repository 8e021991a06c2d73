"""Responses about jobs, as their owners see them, apart from responses.py: few functions load the forms of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.access.keys import Scope
from heliograph.api.representations.jobs import JobResource, JobSummaryResource
from heliograph.api.responses import answer
from heliograph.routes.poll_schedule import FIRST_POLL_SECONDS

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

    from heliograph.access.keys import Caller
    from heliograph.jobs.job import Job
    from heliograph.jobs.read_jobs import JobView


def accepted(
    view: JobView, *, caller: Caller, location: str, replayed: bool, waited_seconds: int | None = None
) -> Response[str]:
    """202: the job is recorded (or, for a repeated call, may be over already).

    After a wait (`Prefer: wait`, RFC 7240): 200 if the job is over, else the same 202. `location` is relative to the
    call's own URL (RFC 9110, 10.2.2), so it holds behind any stage, domain or proxy.
    """
    headers = _submission_headers(view.job, location=location, replayed=replayed)
    status = 202
    if waited_seconds is not None:
        headers["Preference-Applied"] = f"wait={waited_seconds}"
        status = 200 if view.job.is_over else 202
    return answer(status, _resource(view, caller), headers)


def found(view: JobView) -> Response[str]:
    """200 with the job, and `Retry-After` until it is over."""
    return answer(200, JobResource.of(view), {} if view.job.is_over else {"Retry-After": "3"})


def _resource(view: JobView, caller: Caller) -> JobResource | JobSummaryResource:
    """The job; only its name for a key without `jobs:read`: the job may be another key's, and have results."""
    return JobResource.of(view) if caller.may(Scope.JOBS_READ) else JobSummaryResource.of(view.job)


def _submission_headers(job: Job, *, location: str, replayed: bool) -> dict[str, str]:
    """`Retry-After` is the time of the first useful poll, in seconds."""
    headers = {"Location": location}
    if not job.is_over:
        headers["Retry-After"] = str(FIRST_POLL_SECONDS)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers
