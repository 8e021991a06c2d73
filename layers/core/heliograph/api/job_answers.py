"""The API's answers about jobs, as their owners see them. Only functions that answer with jobs load their forms."""

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


def accepted(view: JobView, *, caller: Caller, location: str, replayed: bool) -> Response[str]:
    """202: the job is written down and will be done (or, for a call that was made before, is done already).

    `location` is relative to the call's own URL (RFC 9110, 10.2.2): right behind any stage, domain or proxy.
    """
    return answer(202, _told(view, caller), _of_a_submission(view.job, location=location, replayed=replayed))


def awaited(view: JobView, *, caller: Caller, location: str, replayed: bool, waited_seconds: int) -> Response[str]:
    """200 with the job that is over, or the same 202 as without the wait (`Prefer: wait`, RFC 7240)."""
    headers = _of_a_submission(view.job, location=location, replayed=replayed)
    headers["Preference-Applied"] = f"wait={waited_seconds}"
    return answer(200 if view.job.is_over else 202, _told(view, caller), headers)


def _told(view: JobView, caller: Caller) -> JobResource | JobSummaryResource:
    """The job; to a key without `jobs:read` no more than its name: it may be another key's, and have results."""
    return JobResource.of(view) if caller.may(Scope.JOBS_READ) else JobSummaryResource.of(view.job)


def _of_a_submission(job: Job, *, location: str, replayed: bool) -> dict[str, str]:
    """`Retry-After` is when asking first makes sense, in seconds."""
    headers = {"Location": location}
    if not job.is_over:
        headers["Retry-After"] = str(FIRST_POLL_SECONDS)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers


def found(view: JobView) -> Response[str]:
    """200 with the job. `Retry-After` while there is something to wait for."""
    return answer(200, JobResource.of(view), {} if view.job.is_over else {"Retry-After": "3"})
