"""Reuse the result of an equal job, before anything is paid for another.

Of all jobs with the same `reuse_key`, one is the holder: it alone may call a provider. The others wait for it and take
copies of its results. Who holds is decided here, in `dispatch`, the moment before a first call could leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.execution.finalize import write_record
from heliograph.execution.outcomes import DispatchOutcome, Failed, NotYet, Over
from heliograph.execution.store_result import store_result
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
    from heliograph.storage.ports import ObjectStore

# While its task runs; while it waits for its own turn.
_LOOK_AGAIN_SECONDS, _LOOK_LATER_SECONDS = 20, 60
# More than elsewhere: of many equal jobs that refresh their image at once, each takes the key from the one before it.
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reusing:
    """What reusing a result takes."""

    index: ReuseIndex
    jobs: JobStore
    objects: ObjectStore
    bus: EventBus
    clock: Clock
    results_bucket: str


def reuse(job: Job, now: datetime, *, reusing: Reusing) -> DispatchOutcome | None:
    """What comes of the job by an equal one; `None`: it is the holder, and makes its image itself.

    Raises `StaleJob` or `StorageFailed` where a repeat will do better, and `PublishFailed`; then `sweep` announces it.
    """
    if job.reuse_key is None or job.attempts:
        return None
    reuse_key = job.reuse_key

    def take(holder_id: str | None) -> DispatchOutcome | None:
        if holder_id == job.job_id:
            return None
        holder = reusing.jobs.get(holder_id) if holder_id else None
        if holder and not job.request.refresh:
            if not holder.is_over:
                return _wait_for(holder, job, now)
            if images_of(holder):
                if done := _copied(job, holder, reusing=reusing):
                    return done
                # They are gone by now.
            elif _was_paid_for_the_same_upload(holder, job):
                return _not_twice(holder, job)
        if not reusing.index.hold(reuse_key, job.job_id, instead_of=holder_id):
            raise StaleRecord(job.job_id)
        return None

    give_up = StorageFailed(f"{job.job_id}: the holder of its image changes all the time")
    return update_with_retry(
        lambda: reusing.index.holder(reuse_key), take, on=StaleRecord, tries=_TRIES, give_up=give_up
    )


def _wait_for(holder: Job, job: Job, now: datetime) -> NotYet | None:
    left = (job.deadline_at - now).total_seconds()
    if left <= 0:
        # It ends like any job that got no turn.
        return None
    seconds = _LOOK_AGAIN_SECONDS if holder.attempt else _LOOK_LATER_SECONDS
    wait_seconds = max(1, min(jittered(seconds, job.job_id), int(left)))
    reason = f"an equal job is being made: when {holder.job_id} has its result, this one gets a copy"
    return NotYet(job_id=job.job_id, wait_seconds=wait_seconds, reason=reason)


def _copied(job: Job, holder: Job, *, reusing: Reusing) -> Over | None:
    """Ends the job with copies of the holder's results; `None` if one of these is gone."""
    results = []
    for index, found in enumerate(images_of(holder), start=1):
        copy = _copy_of(found, job, holder, index, reusing=reusing)
        if isinstance(copy, NotCopied):
            return None
        results.append(copy)
    ended = job.reusing(results, reusing.clock.now(), made_by=holder)
    write_record(ended, ending=reusing)
    ended = reusing.jobs.save(ended)
    announce(ended, jobs=reusing.jobs, bus=reusing.bus, results_bucket=reusing.results_bucket)
    return Over(job_id=ended.job_id, status=ended.status)


def _copy_of(found: Result, job: Job, holder: Job, index: int, *, reusing: Reusing) -> Result | NotCopied:
    def write(place: ObjectLocation, metadata: Mapping[str, str], replacing: Replacing | None) -> CopyOutcome:
        # Known before it can be copied back.
        reusing.index.note_result(found.sha256, job.origin or found.sha256)
        return reusing.objects.copy(
            ObjectLocation(found.bucket, found.key, found.version_id),
            place,
            content_type=found.content_type,
            sha256=found.sha256,
            metadata={**metadata, "heliograph-reused-from": holder.job_id},
            replacing=replacing,
        )

    return store_result(
        job,
        holder.attempt,
        job.output_place,
        index,
        found,
        objects=reusing.objects,
        bucket=reusing.results_bucket,
        write=write,
    )


def _was_paid_for_the_same_upload(holder: Job, job: Job) -> bool:
    """Whether to go on would be to pay twice for one upload. (A retry was asked for, by somebody who knows that.)"""
    same = holder.source.kind != "api" and (holder.source.bucket, holder.source.key) == (
        job.source.bucket,
        job.source.key,
    )
    return same and job.retry_of is None and not is_to_be_made_again(holder)


def _not_twice(holder: Job, job: Job) -> Failed:
    message = (
        f"{holder.job_id} was made of the same image under the same key and recipe, and was or may have been charged "
        "without a result: nothing is paid twice. Retry that job, or say refresh"
    )
    code = holder.failure.code if holder.failure else FailureCode.RESULT_UNUSABLE
    failure = Failure(code=code, message=message, retryable=False, charged=Charged.NO)
    return Failed(job_id=job.job_id, failure=failure)
