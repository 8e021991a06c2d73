"""Reuse the result of an equal job, before another is paid for.

Of all jobs with the same `reuse_key`, one is the holder: only it may call a provider. The others wait for it and copy
its results. `dispatch` decides which job holds the key, right before a first call could leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.execution.outcomes import DispatchOutcome, Failed, NotYet, Over
from heliograph.execution.store_result import ResultStore
from heliograph.jobs.find_reusable import images_of
from heliograph.jobs.job import Job, Result
from heliograph.jobs.publish_end import announce
from heliograph.jobs.recipes import is_to_be_made_again
from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.jitter import jittered
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.storage.objects import CopyOutcome, NotCopied, Replacing
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore, ReuseIndex
    from heliograph.kernel.ports import Clock, EventBus

# While the holder's task runs; while the holder waits for its own slot.
_CHECK_SOON_SECONDS, _CHECK_LATER_SECONDS = 20, 60
# More than elsewhere: of many equal jobs that refresh their image at once, each takes the key from the one before it.
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReuser:
    """Gives jobs copies of equal jobs' results."""

    index: ReuseIndex
    jobs: JobStore
    store: ResultStore
    bus: EventBus
    clock: Clock

    def reuse(self, job: Job, now: datetime) -> DispatchOutcome | None:
        """Outcome of the job by an equal one; `None`: it is the holder, and calls a provider itself.

        Raises `StaleJob` or `StorageFailed` where a retry may succeed, and `PublishFailed`; then `sweep` publishes.
        """
        if job.reuse_key is None or job.attempts:
            return None
        reuse_key = job.reuse_key

        def take(holder_id: str | None) -> DispatchOutcome | None:
            if holder_id == job.job_id:
                return None
            holder = self.jobs.get(holder_id) if holder_id else None
            if holder and not job.request.refresh:
                if not holder.is_over:
                    return _wait_for(holder, job, now)
                if images_of(holder):
                    # Without an outcome, the images are gone by now.
                    if done := self._copy_all(job, holder):
                        return done
                elif _was_paid_for_the_same_upload(holder, job):
                    return _not_twice(holder, job)
            if not self.index.hold(reuse_key, job.job_id, instead_of=holder_id):
                raise StaleRecord(job.job_id)
            return None

        give_up = StorageFailed(f"{job.job_id}: the holder of its image keeps changing")
        return update_with_retry(
            lambda: self.index.holder(reuse_key), take, on=StaleRecord, tries=_TRIES, give_up=give_up
        )

    def _copy_all(self, job: Job, holder: Job) -> Over | None:
        """Ends the job with copies of the holder's results; `None` if one of these is gone."""
        results = []
        for index, found in enumerate(images_of(holder), start=1):
            copy = self._copy(found, job, holder, index)
            if isinstance(copy, NotCopied):
                return None
            results.append(copy)
        ended = job.reusing(results, self.clock.now(), made_by=holder)
        self.store.store_record(ended)
        ended = self.jobs.save(ended)
        announce(ended, jobs=self.jobs, bus=self.bus, results_bucket=self.store.bucket)
        return Over(job_id=ended.job_id, status=ended.status)

    def _copy(self, found: Result, job: Job, holder: Job, index: int) -> Result | NotCopied:
        def write(place: ObjectLocation, metadata: Mapping[str, str], replacing: Replacing | None) -> CopyOutcome:
            # Indexed before it can be copied back.
            self.index.note_result(found.sha256, job.origin or found.sha256)
            return self.store.objects.copy(
                ObjectLocation(found.bucket, found.key, found.version_id),
                place,
                content_type=found.content_type,
                sha256=found.sha256,
                metadata={**metadata, "heliograph-reused-from": holder.job_id},
                replacing=replacing,
            )

        return self.store.store(job, holder.attempt, index, found, write=write)


def _wait_for(holder: Job, job: Job, now: datetime) -> NotYet | None:
    left = (job.deadline_at - now).total_seconds()
    if left <= 0:
        # It expires like any job that got no slot.
        return None
    seconds = _CHECK_SOON_SECONDS if holder.attempt else _CHECK_LATER_SECONDS
    wait_seconds = max(1, min(jittered(seconds, job.job_id), int(left)))
    reason = f"an equal job is running: when {holder.job_id} has its result, this one gets a copy"
    return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason=reason)


def _was_paid_for_the_same_upload(holder: Job, job: Job) -> bool:
    """True if a call would pay twice for one upload. (A retry was requested knowing that.)"""
    same = holder.source.kind != "api" and (holder.source.bucket, holder.source.key) == (
        job.source.bucket,
        job.source.key,
    )
    return same and job.retry_of is None and not is_to_be_made_again(holder)


def _not_twice(holder: Job, job: Job) -> Failed:
    message = (
        f"{holder.job_id} edited the same image under the same key with the same recipe, and was or may have been "
        "charged without a result. Nothing is paid twice: retry that job, or set refresh. This job made no call"
    )
    code = holder.failure.code if holder.failure else FailureCode.RESULT_UNUSABLE
    failure = Failure(code=code, message=message, retryable=False, charged=Charged.NO)
    return Failed(job_id=job.job_id, failure=failure)
