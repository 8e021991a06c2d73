"""Publish the event of a job that is over, and the events of its settlements."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from heliograph.jobs.events import job_event, settled_event
from heliograph.jobs.job import Job
from heliograph.kernel.errors import StaleJob, StorageFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import EventBus


def announce(job: Job, *, jobs: JobStore, bus: EventBus, results_bucket: str) -> Job:
    """Publishes the job's event, the same at every call. Raises `PublishFailed`; then `sweep` publishes it."""
    bus.publish(job_event(job, results_bucket=results_bucket))
    if not job.announced:
        # Not to know this costs a repeat of the event, no more.
        with suppress(StaleJob, StorageFailed):
            return jobs.save(job.as_announced())
    return job


def announce_settlements(job: Job, *, jobs: JobStore, bus: EventBus, results_bucket: str) -> Job:
    """Publishes the events of its settlements that are not known to be out. Raises `PublishFailed`, as above."""
    untold = [settlement for settlement in job.settlements if not settlement.announced]
    for settlement in untold:
        bus.publish(settled_event(job, settlement, results_bucket=results_bucket))
    if untold:
        with suppress(StaleJob, StorageFailed):
            return jobs.save(job.as_settlements_announced())
    return job
