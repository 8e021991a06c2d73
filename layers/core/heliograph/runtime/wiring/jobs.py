"""Wiring of what reads, waits for and cancels jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import event_bus, job_records, job_store, job_workflow, object_store

if TYPE_CHECKING:
    from heliograph.jobs.cancel import JobCanceler
    from heliograph.jobs.read_jobs import JobsReader, JobViewer
    from heliograph.jobs.read_timeline import TimelineReader
    from heliograph.jobs.wait_for_end import JobWaiter
    from heliograph.runtime.settings.cancel_job import CancelJobSettings
    from heliograph.runtime.settings.read_jobs import ReadJobsSettings
    from heliograph.runtime.settings.submission import RequestSubmissionSettings


def job_waiter(settings: RequestSubmissionSettings) -> JobWaiter:
    """For calls that prefer to wait for a job's end."""
    from heliograph.jobs.wait_for_end import JobWaiter

    return JobWaiter(jobs=job_records(settings.jobs_table), clock=SystemClock(), sleep=time.sleep)


def job_canceler(settings: CancelJobSettings) -> JobCanceler:
    """For `POST /v1/jobs/{id}/cancel`."""
    from heliograph.jobs.cancel import JobCanceler

    return JobCanceler(
        jobs=job_store(settings),
        bus=event_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
    )


def job_viewer() -> JobViewer:
    """For every answer that shows a job."""
    from heliograph.jobs.read_jobs import JobViewer

    return JobViewer(objects=object_store(), clock=SystemClock())


def jobs_reader(settings: ReadJobsSettings) -> JobsReader:
    """For `GET /v1/jobs` and `GET /v1/jobs/{id}`."""
    from heliograph.jobs.read_jobs import JobsReader

    return JobsReader(jobs=job_records(settings.jobs_table), viewer=job_viewer())


def timeline_reader(settings: ReadJobsSettings) -> TimelineReader:
    """For `GET /v1/jobs/{id}/events`."""
    from heliograph.jobs.read_timeline import TimelineReader

    return TimelineReader(jobs=job_records(settings.jobs_table), workflow=job_workflow(settings.state_machine_arn))
