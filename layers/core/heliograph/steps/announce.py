"""Tell the bus of a job that is over."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from heliograph.domain.errors import StaleJob, StorageFailed
from heliograph.domain.job_events import job_event
from heliograph.domain.jobs import Job

if TYPE_CHECKING:
    from heliograph.ports import EventBus, JobStore


def announce(job: Job, *, jobs: JobStore, bus: EventBus, results_bucket: str) -> None:
    """Publishes its event, as often as asked: always the same one. Raises `PublishFailed`; then `sweep` will."""
    bus.publish(job_event(job, results_bucket=results_bucket))
    if not job.announced:
        # Not to know this costs a repeat of the event, no more.
        with suppress(StaleJob, StorageFailed):
            jobs.save(job.as_announced())
