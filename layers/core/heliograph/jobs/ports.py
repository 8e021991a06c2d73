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
    """Reads jobs. Every method raises `StorageFailed` when the store fails."""

    def get(self, job_id: str) -> Job | None:
        """The current job (a consistent read)."""
        ...

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """Id of the job that has the task, if any has recorded it (with a lag of milliseconds)."""
        ...

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        """The tenant's jobs that match, newest first (with a lag of milliseconds).

        A page may have fewer than `limit` jobs, even none, and yet have an `end`: one call reads a limited number of
        entries.
        """
        ...

    def scan(self) -> Iterator[Job]:
        """All recorded jobs. Reads the whole table: for checks only."""
        ...

    def holder_of(self, key: str) -> KeyHolder | None:
        """Source that holds the key for its results (a consistent read)."""
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Ids of jobs whose `attention_at` has passed, longest overdue first (with a lag of milliseconds)."""
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
        """Writes a changed job and returns it with its new revision. Raises `StaleJob` if another writer was faster.

        Of a job that may now cost more, raises `BudgetExceeded` if that does not fit; of one that begins to run on a
        route, `RouteFull` if too many do. Then nothing was written.
        """
        ...


class ResultIndex(Protocol):
    """Index of the bytes of our results. Keeps entries as long as records of jobs. Raises `StorageFailed`."""

    def origin_of(self, sha256: str) -> str | None:
        """Origin of our result with those bytes; `None` if the bytes are no result of ours.

        The origin is the SHA-256 of the first upload; a result that was made from no upload is its own origin.
        """
        ...

    def note_result(self, sha256: str, origin: str) -> None:
        """Records that those bytes are a result of ours."""
        ...


class ReuseIndex(ResultIndex, Protocol):
    """Index of reusable images and of the bytes of uploads.

    Keeps entries as long as records of jobs. Every method raises `StorageFailed` when the store fails.
    """

    def holder(self, reuse_key: str) -> str | None:
        """Id of the job that makes, or has made, the image of that key (a consistent read)."""
        ...

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        """Makes the job the holder; `False`, and nothing written, unless `instead_of` was it. Of many, one wins."""
        ...

    def upload(self, bucket: str, key: str) -> KeyedUpload | None:
        """The newest upload of that key (a consistent read)."""
        ...

    def note_upload(self, bucket: str, key: str, upload: KeyedUpload) -> None:
        """Records the newest upload, unless a newer one is recorded."""
        ...

    def sha256_of(self, fingerprint: str) -> str | None:
        """The SHA-256 of the bytes that were read of an object with that fingerprint."""
        ...

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        """Records the SHA-256 of the bytes that were read of an object with that fingerprint."""
        ...

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        """Counts a job of that origin under that version of a preset. Returns its number on that day, from 1."""
        ...

    def is_stopped(self, preset_version: str) -> bool:
        """True if that version of a preset was stopped."""
        ...

    def stop(self, preset_version: str) -> None:
        """Records that the version of the preset is stopped."""
        ...


class Workflow(Protocol):
    """The state machine that takes a job from its first call to its result."""

    def history(self, job_id: str) -> tuple[Sequence[StateVisit], bool]:
        """Visits of states by the job's execution, in order, and whether they are complete. Raises `WorkflowFailed`.

        Empty if there is no execution, or no longer: Step Functions keeps it for 90 days.
        """
        ...

    def start(self, job_id: str) -> bool:
        """Starts the job's one execution; `False` if there has been one already. Raises `WorkflowFailed`."""
        ...
