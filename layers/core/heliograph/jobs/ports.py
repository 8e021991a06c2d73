"""Ports of jobs: their store, their workflow, and the index of reusable results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.jobs.fingerprints import KeyedUpload
    from heliograph.jobs.job import Job
    from heliograph.jobs.job_filter import JobFilter
    from heliograph.jobs.result_order import KeyHolder, Taking
    from heliograph.jobs.timeline import StateVisit
    from heliograph.kernel.pagination import Cursor, Page


class JobReader(Protocol):
    """Jobs, as they are recorded. Every method raises `StorageFailed` when the store does not do its part."""

    def get(self, job_id: str) -> Job | None:
        """The job as it is now (a consistent read)."""
        ...

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """The id of the job whose task that is, if any has noted it (a moment ago may be too fresh)."""
        ...

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        """The tenant's jobs that are wanted, newest first (one of a moment ago may be missing).

        A slice may hold fewer than `limit`, even none, and yet have an `end`: where few match, a call looks only at so
        many.
        """
        ...

    def scan(self) -> Iterator[Job]:
        """All jobs that there are a record of. Reads the whole table: for checks, not for work."""
        ...

    def holder_of(self, key: str) -> KeyHolder | None:
        """The source that holds the key for its results (a consistent read)."""
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """The ids of jobs whose `attention_at` has passed (a moment ago may be too fresh), longest overdue first."""
        ...


class JobStore(JobReader, Protocol):
    """Jobs, one record each, with the sums that follow from them: the ledger's, and the running tasks of each route.

    Those change in the same transaction as the job's record (jobs/accounting.py), so they always agree with it. Every
    method raises `StorageFailed` when the store fails.
    """

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        """Writes a new job; `None`, and nothing written, if that id is taken. Of many at once, one wins.

        `taking`: its source takes the key of its results in the same write; raises `KeyHeld` if the key's holder has
        changed. Raises `BudgetExceeded` if what the job may cost does not fit.
        """
        ...

    def save(self, job: Job) -> Job:
        """Writes a changed job and returns it with its new revision. Raises `StaleJob` if somebody else was faster.

        Of a job that may now cost more, raises `BudgetExceeded` if that does not fit; of one that begins to run on a
        route, `RouteFull` if too many do. Then nothing was written.
        """
        ...


class ResultIndex(Protocol):
    """Which bytes are results of ours. Entries are kept as long as records of jobs are. Raises `StorageFailed`."""

    def origin_of(self, sha256: str) -> str | None:
        """Where a result of ours with those bytes comes from in the end; `None` where the bytes are no result of ours.

        (The SHA-256 of an upload; of a result that was made of no upload, its own.)
        """
        ...

    def note_result(self, sha256: str, origin: str) -> None:
        """Those bytes are a result of ours."""
        ...


class ReuseIndex(ResultIndex, Protocol):
    """Besides: who makes which image, and which bytes which upload has.

    Entries are kept as long as records of jobs are. Every method raises `StorageFailed` when the store does not do its
    part.
    """

    def holder(self, reuse_key: str) -> str | None:
        """The id of the job that makes, or has made, the image of that key (a consistent read)."""
        ...

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        """Makes the job the holder; `False`, and nothing written, unless `instead_of` was it. Of many, one wins."""
        ...

    def upload(self, bucket: str, key: str) -> KeyedUpload | None:
        """The newest upload of that key (a consistent read)."""
        ...

    def note_upload(self, bucket: str, key: str, upload: KeyedUpload) -> None:
        """It is the newest, unless a newer one was noted."""
        ...

    def sha256_of(self, fingerprint: str) -> str | None:
        """The SHA-256 of the bytes that were read of an object with that fingerprint."""
        ...

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        """An object with that fingerprint was read, and has that SHA-256."""
        ...

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        """One more job of that origin under that version of a preset: which one it is on that day, from 1."""
        ...

    def is_stopped(self, preset_version: str) -> bool:
        """Whether that version of a preset was stopped."""
        ...

    def stop(self, preset_version: str) -> None:
        """It is stopped."""
        ...


class Workflow(Protocol):
    """The state machine that carries a job from its task to its result."""

    def history(self, job_id: str) -> tuple[Sequence[StateVisit], bool]:
        """Every state that the job's execution was in, in order, and whether that is all. Raises `WorkflowFailed`.

        Nothing where there is no execution, or none any more: it is remembered for 90 days.
        """
        ...

    def start(self, job_id: str) -> bool:
        """Starts the job's one execution; `False` if there has been one already. Raises `WorkflowFailed`."""
        ...
