"""End a job: copy and verify its results or note why there are none, write the record, publish the event.

Every function here may run twice: a job that is over stays as it is, and its event goes out again with the same
`event_id`, because the first run may have ended before it was published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from heliograph.execution.outcomes import (
    Canceled,
    Expired,
    Failed,
    FinalizeInput,
    FinalizeOutcome,
    Finished,
    Orphaned,
    Over,
    RetryFinalize,
    Watch,
)
from heliograph.execution.store_result import store_result
from heliograph.jobs.job import Attempt, Job, JobStatus, Result
from heliograph.jobs.provenance import MARKER, record_of
from heliograph.jobs.publish_end import announce
from heliograph.jobs.retry_policy import GIVE_UP, MAX_DELIVERIES, wait_before_delivery
from heliograph.kernel.errors import ResultUnusable, StaleJob
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.routes.config import Routes
from heliograph.routes.control import RouteControl, record_success
from heliograph.routes.poll_schedule import Latencies
from heliograph.storage.layout import OutputKeys
from heliograph.storage.objects import Copied
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore, ResultIndex
    from heliograph.kernel.ports import Clock, EventBus, Together
    from heliograph.providers.ports import ResultSource
    from heliograph.storage.objects import Replacing
    from heliograph.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ending a job takes."""

    jobs: JobStore
    objects: ObjectStore
    source: ResultSource
    together: Together
    bus: EventBus
    clock: Clock
    results_bucket: str
    routes: Routes
    control: RouteControl
    index: ResultIndex


class Storing(Protocol):
    """What storing a record takes."""

    @property
    def objects(self) -> ObjectStore:
        """The buckets."""
        ...

    @property
    def results_bucket(self) -> str:
        """The one of the results."""
        ...


def finalize(outcome: FinalizeInput, *, ending: Ending) -> FinalizeOutcome:
    """Delivers a finished job's results, or reports that there will be none.

    Raises `StaleJob` or an `Unavailable` where a repeat will do better.
    """
    job = ending.jobs.get(outcome.job_id)
    if job is None:
        # Only by hand can an execution run for a job that does not exist; there is nobody to tell.
        return Over(job_id=outcome.job_id, status=JobStatus.FAILED)
    if job.is_over:
        return announced(job, ending=ending)
    match outcome:
        case Finished() | RetryFinalize() if job.cancel_requested_at and not _is_stored(job, ending=ending):
            return _withhold(job, outcome, ending=ending)
        case Finished() | RetryFinalize():
            return _deliver(job, outcome, ending=ending)
        case Failed(failure=failure) if not _may_still_bill(job, outcome):
            return fail(job, failure, ending=ending)
        case Expired() if not _may_still_bill(job, outcome):
            return expire(job, ending=ending)
        case Canceled() if not _may_still_bill(job, outcome):
            return cancel(job, ending=ending)
        case Failed() | Expired() | Canceled():
            # Another run made an attempt since this was said, or the lost task announced itself: what that brings, only
            # its own end can say.
            return leave_to_sweep(job, ending=ending)


def _may_still_bill(job: Job, outcome: Failed | Expired | Canceled) -> bool:
    """Whether an attempt is open other than the one whose end is reported here."""
    attempt = job.attempt
    if attempt is None or not attempt.is_open:
        return False
    if not isinstance(outcome, Failed) or attempt.attempt_id != outcome.attempt_id:
        return True
    return outcome.failure.code is FailureCode.SUBMISSION_UNCERTAIN and attempt.task_id is not None


def fail(job: Job, failure: Failure, *, ending: Ending, provider_urls: Sequence[str] = ()) -> Over:
    """Ends the job without a picture; `provider_urls` is where one can be had by hand, for a few days."""
    now = ending.clock.now()
    if job.cancel_requested_at:
        return _conclude(job.canceled(now, failure=failure, provider_urls=provider_urls), ending=ending)
    return _conclude(job.failed(failure, now, provider_urls=provider_urls), ending=ending)


def expire(job: Job, *, ending: Ending) -> Over:
    """Ends a job whose deadline passed while nothing of it was running."""
    if job.cancel_requested_at:
        return cancel(job, ending=ending)
    if job.unknown_cost_microusd:
        return fail(job, _deadline_passed(), ending=ending)
    return _conclude(job.expired(_deadline_passed(), ending.clock.now()), ending=ending)


def cancel(job: Job, *, ending: Ending) -> Over:
    """Ends a job as its owner wished, while nothing of it is running."""
    return _conclude(job.canceled(ending.clock.now()), ending=ending)


def leave_to_sweep(job: Job, *, ending: Ending) -> Orphaned:
    """Leaves the job open without a workflow: `sweep` looks after it."""
    ending.jobs.save(job.as_orphaned(ending.clock.now()))
    return Orphaned(job_id=job.job_id)


def announced(job: Job, *, ending: Ending) -> Over:
    """The end of a job that is over, told to the bus."""
    announce(job, jobs=ending.jobs, bus=ending.bus, results_bucket=ending.results_bucket)
    return Over(job_id=job.job_id, status=job.status)


def _is_stored(job: Job, *, ending: Ending) -> bool:
    """Whether an earlier run stored its pictures and their record, and ended before it could save that."""
    record = ending.objects.head(ObjectLocation(ending.results_bucket, job.record_key))
    return record is not None and record.metadata.get(MARKER) == job.job_id


def _withhold(job: Job, finished: Finished | RetryFinalize, *, ending: Ending) -> Over:
    """Ends a canceled job whose task ran all the same: its pictures are paid, and left where they are."""
    now = ending.clock.now()
    job = job.with_task_id(finished.watch.attempt_id, finished.watch.task_id, now)
    over = _conclude(job.canceled(now, provider_urls=finished.result_urls), ending=ending)
    _tell_route(job, finished, ending=ending)
    return over


def _deliver(job: Job, finished: Finished | RetryFinalize, *, ending: Ending) -> FinalizeOutcome:
    job = job.with_task_id(finished.watch.attempt_id, finished.watch.task_id, ending.clock.now())
    copies = ending.together(
        [
            partial(copied, job, job.attempt, job.output_keys, index, url, ending=ending)
            for index, url in enumerate(finished.result_urls, start=1)
        ]
    )
    results = [copy for copy in copies if isinstance(copy, Result)]
    if unusable := [copy for copy in copies if isinstance(copy, ResultUnusable)]:
        return _not_all(job, finished, results, unusable, ending=ending)
    succeeded = job.succeeded(results, ending.clock.now(), ready_at=_ready_at(finished))
    write_record(succeeded, ending=ending)
    over = _conclude(succeeded, ending=ending)
    _tell_route(succeeded, finished, ending=ending)
    return over


def _ready_at(finished: Finished | RetryFinalize) -> datetime | None:
    """Since when its pictures were waiting at the provider's, as well as that is known."""
    began_at, took_seconds = finished.watch.began_at, finished.took_seconds
    return began_at + timedelta(seconds=took_seconds) if began_at and took_seconds is not None else None


def _tell_route(job: Job, finished: Finished | RetryFinalize, *, ending: Ending) -> None:
    attempt = job.attempts[-1]
    if route := ending.routes.named(attempt.route):
        has_callback = attempt.callback_sha256 is not None
        learn = partial(_learned, finished.watch, finished.took_seconds, has_callback)
        record_success(route, attempt.intended_at, control=ending.control, tenant=job.tenant, learn=learn)


def _learned(watch: Watch, took_seconds: float | None, has_callback: bool, latencies: Latencies) -> Latencies:
    """What its route's tasks take and whether the provider calls back, with this one."""
    if watch.began_at is None or took_seconds is None:
        return latencies
    known = latencies.and_one(took_seconds)
    if not has_callback:
        return known
    if watch.was_called_back:
        return known.called_back()
    return known.not_called_back(watch.asked_at_ms / 1000 - watch.began_at.timestamp() - took_seconds)


def copied(
    job: Job, attempt: Attempt | None, place: OutputKeys, index: int, url: str, *, ending: Ending
) -> Result | ResultUnusable:
    """The image behind the link, stored as the job's `index`-th result; or why it can't be."""
    try:
        return _copy(job, attempt, place, index, url, ending=ending)
    except ResultUnusable as error:
        return error


def _copy(job: Job, attempt: Attempt | None, output: OutputKeys, index: int, url: str, *, ending: Ending) -> Result:
    with ending.source.fetch(url) as picture:

        def write(place: ObjectLocation, metadata: Mapping[str, str], replacing: Replacing | None) -> Copied:
            # Known before it can be copied back into an uploads folder.
            ending.index.note_result(picture.sha256, job.origin or picture.sha256)
            picture.file.seek(0)
            return Copied(
                ending.objects.put(
                    place,
                    picture.file,
                    content_type=picture.media_type,
                    sha256=picture.sha256,
                    metadata=metadata,
                    replacing=replacing,
                )
            )

        result = store_result(
            job, attempt, output, index, picture, objects=ending.objects, bucket=ending.results_bucket, write=write
        )
        assert isinstance(result, Result)  # noqa: S101 - only a copy can find nothing to copy
        return result


def _not_all(
    job: Job,
    finished: Finished | RetryFinalize,
    results: list[Result],
    unusable: list[ResultUnusable],
    *,
    ending: Ending,
) -> FinalizeOutcome:
    deliveries = finished.deliveries + 1
    reason = "; ".join(str(error) for error in unusable)
    if deliveries < MAX_DELIVERIES and any(error.again for error in unusable):
        return RetryFinalize(
            job_id=job.job_id,
            watch=finished.watch,
            result_urls=finished.result_urls,
            deliveries=deliveries,
            wait_seconds=wait_before_delivery(deliveries),
            reason=reason,
            took_seconds=finished.took_seconds,
        )
    now = ending.clock.now()
    if any(error.host_failed for error in unusable) and now < job.result_deadline + GIVE_UP:
        return leave_to_sweep(job, ending=ending)
    failure = Failure(
        code=FailureCode.RESULT_UNUSABLE,
        message=f"the provider finished, but {reason}",
        retryable=False,
        charged=Charged.YES,
    )
    ended = job.failed(failure, now, results=results, provider_urls=finished.result_urls)
    if results:
        write_record(ended, ending=ending)
    return _conclude(ended, ending=ending)


def write_record(job: Job, *, ending: Storing) -> None:
    """Stores the job's record, apart from its results."""
    record = record_of(job)
    ending.objects.put(
        ObjectLocation(ending.results_bucket, job.record_key),
        record,
        content_type="application/json",
        sha256=hashlib.sha256(record).hexdigest(),
        metadata={MARKER: job.job_id},
    )


def _conclude(ended: Job, *, ending: Ending) -> Over:
    """Saves the terminal state, then publishes: in this order, so that no event tells of what did not happen."""
    try:
        ended = ending.jobs.save(ended)
    except StaleJob:
        current = ending.jobs.get(ended.job_id)
        if current and ended.results and _was_only_canceled(ended, current):
            # Too late: its pictures are in the bucket.
            ended = ending.jobs.save(ended.rebased_on(current))
        elif current is None or not current.is_over:
            raise
        else:
            ended = current
    return announced(ended, ending=ending)


def _was_only_canceled(ended: Job, current: Job) -> bool:
    return (
        not current.is_over
        and current.revision == ended.revision + 1
        and ended.cancel_requested_at is None
        and current.cancel_requested_at is not None
    )


def _deadline_passed() -> Failure:
    return Failure(
        code=FailureCode.PROVIDER_TIMEOUT,
        message="the job's deadline passed before a picture could be made",
        retryable=True,
        charged=Charged.NO,
    )
