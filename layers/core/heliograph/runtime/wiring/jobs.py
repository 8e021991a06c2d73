"""Wiring of what reads, waits for and cancels jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import event_bus, job_records, job_store, job_workflow, object_store

if TYPE_CHECKING:
    from heliograph.jobs.job import Job
    from heliograph.jobs.read_jobs import JobView
    from heliograph.jobs.read_timeline import Timeline
    from heliograph.kernel.pagination import Page
    from heliograph.runtime.settings.api import ApiSettings
    from heliograph.runtime.settings.cancel import CancelSettings
    from heliograph.runtime.settings.submission import RequestSubmissionSettings


def end_awaiter(settings: RequestSubmissionSettings) -> Callable[..., tuple[Job, ...]]:
    """What functions do with `(jobs, seconds=)` whose callers would rather wait."""
    from heliograph.jobs.wait_for_end import await_end

    return partial(await_end, jobs=job_records(settings.jobs_table), clock=SystemClock(), sleep=time.sleep)


def job_canceler(settings: CancelSettings) -> Callable[..., Job | None]:
    """What `cancel` does with `(job_id, tenant=)`."""
    from heliograph.jobs.cancel import cancel_job

    return partial(
        cancel_job,
        jobs=job_store(settings),
        bus=event_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
    )


def job_viewer() -> Callable[[Job], JobView]:
    """A job with links to its results."""
    from heliograph.jobs.read_jobs import view_of

    return partial(view_of, objects=object_store(), clock=SystemClock())


def job_reader(settings: ApiSettings) -> Callable[..., JobView | None]:
    """What `api` does with `(job_id, tenant=)`."""
    from heliograph.jobs.read_jobs import read_job

    return partial(read_job, jobs=job_records(settings.jobs_table), objects=object_store(), clock=SystemClock())


def job_lister(settings: ApiSettings) -> Callable[..., Page[JobView]]:
    """What `api` does with `(query, tenant=)`."""
    from heliograph.jobs.read_jobs import list_jobs

    return partial(list_jobs, jobs=job_records(settings.jobs_table), objects=object_store(), clock=SystemClock())


def timeline_reader(settings: ApiSettings) -> Callable[..., Timeline | None]:
    """What `api` does with `(job_id, tenant=)`, to tell what happened."""
    from heliograph.jobs.read_timeline import read_timeline

    return partial(
        read_timeline, jobs=job_records(settings.jobs_table), workflow=job_workflow(settings.state_machine_arn)
    )
