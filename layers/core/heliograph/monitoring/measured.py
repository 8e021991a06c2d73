"""Job store and event bus that emit metrics, at the one place where each fact is certain: where it is written.

Use cases know nothing of metrics, and a repeated use case counts nothing twice: of many writers that end a job, one
succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from heliograph.jobs.accounting import ends_with_this_write
from heliograph.jobs.job import Job
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.pagination import Cursor, Page
from heliograph.monitoring.metrics import Measure, end_metrics, event_metrics, submission_metrics

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.event_envelope import Envelope
    from heliograph.kernel.ports import EventBus


class EmitMetrics(Protocol):
    """Emits metrics; never raises."""

    def __call__(self, measures: Iterable[Measure], **properties: str | None) -> None:
        """`properties` lead from a measure to its job, and are no dimensions."""
        ...


class MeasuredJobStore:
    """A `JobStore` that emits the metrics of every job that is added and of every job that ends."""

    def __init__(self, jobs: JobStore, emit_metrics: EmitMetrics) -> None:
        self._jobs = jobs
        self._emit_metrics = emit_metrics

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        added = self._jobs.add(job, taking=taking)
        if added:
            self._emit(submission_metrics(added), added)
        return added

    def save(self, job: Job) -> Job:
        saved = self._jobs.save(job)
        if ends_with_this_write(job):
            self._emit(end_metrics(saved), saved)
        return saved

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def holder_of(self, key: str) -> KeyHolder | None:
        return self._jobs.holder_of(key)

    def owner_of(self, provider: str, task_id: str) -> str | None:
        return self._jobs.owner_of(provider, task_id)

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        return self._jobs.list(tenant, wanted, after=after, limit=limit)

    def scan(self) -> Iterator[Job]:
        return self._jobs.scan()

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        return self._jobs.needing_attention(now, limit=limit)

    def _emit(self, measures: Iterable[Measure], job: Job) -> None:
        self._emit_metrics(measures, job_id=job.job_id, tenant=job.tenant)


class MeasuredEventBus:
    """An `EventBus` that counts the published events that are not about a job."""

    def __init__(self, bus: EventBus, emit_metrics: EmitMetrics) -> None:
        self._bus = bus
        self._emit_metrics = emit_metrics

    def publish(self, event: Envelope) -> None:
        self._bus.publish(event)
        self._emit_metrics(event_metrics(event), event_id=event.event_id)
