"""Which route a job may take, and what follows when one fails it. Pure: from the job's record and the configuration.

A failure moves a job on by its class:

    content blocked, invalid input          never tried again: another route would say the same
    may have been charged                   never tried again: that could be paying twice
    a task failed, and may be tried again   once more on the same route (failed tasks are free), then the next
    refused for now (busy, unreachable)     the next route at once; when all have refused, round again, with waits
    refused for good (key, balance, model)  the next route; this one is out
"""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.jobs import Attempt, Job
from heliograph.domain.requests import JobRequest, Policy
from heliograph.domain.retrying import MAX_ATTEMPTS, wait_before_attempt
from heliograph.domain.routes import Route, Routes

TASKS_PER_ROUTE = 2
_FINAL = frozenset({FailureCode.CONTENT_BLOCKED, FailureCode.INVALID_INPUT, FailureCode.UNSUPPORTED_MEDIA})


@dataclass(frozen=True, slots=True)
class Call:
    """The next create call: on this route, after `wait_seconds`."""

    route: Route
    wait_seconds: int


@dataclass(frozen=True, slots=True)
class Stop:
    """No route is left, or none may be tried."""

    failure: Failure


def candidates(request: JobRequest, routes: Routes) -> tuple[Route, ...]:
    """The routes that the request may take, in its policy's order."""
    if request.policy is Policy.PINNED:
        route = routes.serving(request.model)
        return (route,) if route else ()
    return routes.taking(
        references=len(request.references),
        aspect_ratio=request.aspect_ratio,
        prompt_characters=len(request.prompt),
        cheapest_first=request.policy is Policy.CHEAPEST,
    )


def next_call(job: Job, routes: Routes) -> Call | Stop:
    """What to do for a job none of whose attempts may still bill."""
    last = job.attempt
    if last and last.failure and (last.failure.code in _FINAL or last.failure.charged is not Charged.NO):
        return Stop(last.failure)
    left = [route for route in candidates(job.request, routes) if not _is_out(_on(route, job))]
    if not left or len(job.attempts) >= MAX_ATTEMPTS:
        return Stop(last.failure if last and last.failure else _no_route(job))
    once_more = next((route for route in left if last and last.task_id and last in _on(route, job)), None)
    route = once_more or min(left, key=lambda route: len(_on(route, job)))
    before = _on(route, job)
    if not before:
        return Call(route, 0)
    return Call(route, wait_before_attempt(job.job_id, len(before), before[-1].retry_after_seconds))


def _on(route: Route, job: Job) -> list[Attempt]:
    return [attempt for attempt in job.attempts if (attempt.provider, attempt.model) == (route.provider, route.model)]


def _is_out(attempts: list[Attempt]) -> bool:
    failed_tasks = sum(attempt.task_id is not None for attempt in attempts)
    return failed_tasks >= TASKS_PER_ROUTE or any(
        attempt.failure and not attempt.failure.retryable for attempt in attempts
    )


def _no_route(job: Job) -> Failure:
    return Failure(
        code=FailureCode.ROUTE_UNAVAILABLE,
        message=f"no route takes this job any more ({job.request.policy}, {job.request.model})",
        retryable=False,
        charged=Charged.NO,
    )
