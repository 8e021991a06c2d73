"""Stores and buses that tell what is measured, at the one place where each fact is certain: where it is written.

Use cases know nothing of it, and a repeat of one tells nothing twice: of many who end a job, one write succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.jobs.accounting import ends_with_this_write
from heliograph.jobs.job import Job
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.pagination import Cursor, Page
from heliograph.monitoring.metrics import Measure, of_announcement, of_end, of_submission

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.event_envelope import Envelope
    from heliograph.kernel.ports import EventBus

Tell = Callable[..., None]
"""`tell(measures, **properties)`; never raises."""


class WatchedJobStore:
    """A `JobStore` that tells of every job that begins and of every one that ends."""

    def __init__(self, jobs: JobStore, tell: Tell) -> None:
        self._jobs = jobs
        self._tell = tell

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        """As the store does."""
        added = self._jobs.add(job, taking=taking)
        if added:
            self._told(of_submission(added), added)
        return added

    def save(self, job: Job) -> Job:
        """As the store does."""
        saved = self._jobs.save(job)
        if ends_with_this_write(job):
            self._told(of_end(saved), saved)
        return saved

    def get(self, job_id: str) -> Job | None:
        """As the store does."""
        return self._jobs.get(job_id)

    def holder_of(self, key: str) -> KeyHolder | None:
        """As the store does."""
        return self._jobs.holder_of(key)

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """As the store does."""
        return self._jobs.owner_of(provider, task_id)

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        """As the store does."""
        return self._jobs.list(tenant, wanted, after=after, limit=limit)

    def scan(self) -> Iterator[Job]:
        """As the store does."""
        return self._jobs.scan()

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """As the store does."""
        return self._jobs.needing_attention(now, limit=limit)

    def _told(self, measures: Iterable[Measure], job: Job) -> None:
        self._tell(measures, job_id=job.job_id, tenant=job.tenant)


class WatchedBus:
    """An `EventBus` that tells of what went out and is not about a job."""

    def __init__(self, bus: EventBus, tell: Tell) -> None:
        self._bus = bus
        self._tell = tell

    def publish(self, event: Envelope) -> None:
        """As the bus does."""
        self._bus.publish(event)
        self._tell(of_announcement(event), event_id=event.event_id)
