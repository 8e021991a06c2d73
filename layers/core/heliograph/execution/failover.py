"""The next route for a job, and what follows a failure. Pure: from the job's record and the configuration.

A failure moves a job on by its class:

    content blocked, invalid input          never retried: another route would answer the same
    may have been charged                   never retried: the job could be charged twice
      … a call without an answer            unless the request accepts that (`on_uncertain: resubmit`)
    a task failed, and may be retried       once more on the same route (failed tasks are free), then the next
    refused for now (busy, unreachable)     the next route at once; when all have refused, round again, with waits
    refused for good (key, balance, model)  the next route; this one is out

A route with an open circuit is passed over; where all that are left are open, the job waits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from heliograph.jobs.job import Attempt, Job
from heliograph.jobs.request import OnUncertain, candidates
from heliograph.jobs.retry_policy import MAX_ATTEMPTS, wait_before_attempt
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.routes.config import Route, Routes

TASKS_PER_ROUTE = 2
_FINAL = frozenset({FailureCode.CONTENT_BLOCKED, FailureCode.INVALID_INPUT, FailureCode.UNSUPPORTED_MEDIA})


@dataclass(frozen=True, slots=True)
class Call:
    """The next create call: on this route, after `wait_seconds`."""

    route: Route
    wait_seconds: int


@dataclass(frozen=True, slots=True)
class Pause:
    """No call now: these routes are left, and none of them is available."""

    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """No call ever: no route is left, or none may be tried."""

    failure: Failure


def next_call(job: Job, routes: Routes, *, unavailable: Collection[str] = ()) -> Call | Pause | Stop:
    """The next call of a job none of whose attempts may still be charged.

    `unavailable`: names of routes that take no calls now.
    """
    last = job.attempt
    if last and last.failure and _ends_the_job(last.failure, job):
        return Stop(last.failure)
    left = [route for route in candidates(job.request, routes) if not _is_out(_on(route, job))]
    if not left or len(job.attempts) >= MAX_ATTEMPTS:
        return Stop(last.failure if last and last.failure else _no_route(job))
    ready = [route for route in left if route.name not in unavailable]
    if not ready:
        return Pause(tuple(left))
    once_more = next((route for route in ready if last and last.task_id and last in _on(route, job)), None)
    route = once_more or min(ready, key=lambda route: len(_on(route, job)))
    before = _on(route, job)
    if not before:
        return Call(route, 0)
    patience = job.deadline_at - job.created_at
    retry_after_seconds = before[-1].retry_after_seconds
    return Call(route, wait_before_attempt(job.job_id, len(before), retry_after_seconds, patience=patience))


def _ends_the_job(failure: Failure, job: Job) -> bool:
    if failure.code is FailureCode.SUBMISSION_UNCERTAIN and job.request.on_uncertain is OnUncertain.RESUBMIT:
        # One second charge is accepted, not a third.
        return sum(attempt.unknown_cost_microusd > 0 for attempt in job.attempts) > 1
    return failure.code in _FINAL or failure.charged is not Charged.NO


def _on(route: Route, job: Job) -> list[Attempt]:
    return [attempt for attempt in job.attempts if attempt.route == route.name]


def _is_out(attempts: list[Attempt]) -> bool:
    failed_tasks = sum(attempt.task_id is not None for attempt in attempts)
    return failed_tasks >= TASKS_PER_ROUTE or any(
        attempt.failure and not attempt.failure.retryable and attempt.failure.charged is Charged.NO
        for attempt in attempts
    )


def _no_route(job: Job) -> Failure:
    return Failure(
        code=FailureCode.ROUTE_UNAVAILABLE,
        message=f"no route is left for this job ({job.request.policy}, {job.request.model})",
        retryable=False,
        charged=Charged.NO,
    )
