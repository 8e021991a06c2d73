"""Ask the provider once how a task is: one question, one answer, one next wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.execution.outcomes import Failed, Finished, PollOutcome, Processing, Watch
from heliograph.jobs.retry_policy import GIVE_UP, RESULT_PATIENCE, wait_for_result
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, StillRunning, TaskFailed
from heliograph.routes.poll_schedule import epoch_ms, took_seconds, wait_before_asking

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.providers.ports import ImageProvider

_SOON_SECONDS = 2


def poll(job_id: str, watch: Watch, *, providers: Mapping[str, ImageProvider], clock: Clock) -> PollOutcome:
    """What the workflow does next. Reads and writes nothing of ours; a repeat is harmless.

    A question that gets no usable answer says nothing about the task, which may be paid: asking goes on, whatever the
    answer was (a key that was just changed, an edge's error page), and beyond the deadline for another day. A task that
    is completed and names no picture is asked about for some minutes more, also beyond the deadline.
    """
    watch = watch.model_copy(update={"asked_at_ms": epoch_ms(clock.now())})
    provider = providers.get(watch.provider)
    state = provider.poll(watch.task_id) if provider else NoAnswer(f"{watch.provider} is configured no more")
    now = clock.now()
    match state:
        case Completed(result_urls, said):
            took = _took_seconds(watch, said, watch.completed_at or now)
            return Finished(job_id=job_id, watch=watch, result_urls=result_urls, took_seconds=took)
        case TaskFailed(failure):
            return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
        case NoResultYet():
            since = watch.completed_at or now
            if now >= since + RESULT_PATIENCE:
                return Failed(job_id=job_id, failure=without_result(), attempt_id=watch.attempt_id)
            asked = _asked(watch, completed_at=since)
            return Processing(job_id=job_id, wait_seconds=wait_for_result(since, now), watch=asked)
        case StillRunning():
            if now >= watch.deadline_at:
                return Failed(job_id=job_id, failure=_timed_out(watch, None), attempt_id=watch.attempt_id)
            asked = _asked(watch, running_at=now)
            return Processing(job_id=job_id, wait_seconds=_wait_seconds(watch, now), watch=asked)
        case NoAnswer(reason):
            if now >= watch.deadline_at + GIVE_UP:
                return Failed(job_id=job_id, failure=_timed_out(watch, reason), attempt_id=watch.attempt_id)
            wait_seconds = _wait_seconds(watch, now)
            return Processing(job_id=job_id, wait_seconds=wait_seconds, watch=_asked(watch), unanswered=reason)


def without_result() -> Failure:
    """What is said of a task that is completed and never named a picture. Nobody says whether that is billed."""
    return Failure(
        code=FailureCode.RESULT_UNUSABLE,
        message="the provider completed the task without a result",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _asked(watch: Watch, **seen: datetime) -> Watch:
    """The task as it is watched after a question that did not end it, with what was seen of it."""
    counted: dict[str, Any] = {
        "questions": watch.questions + 1,
        "called_back": False,
        "callbacks_left": max(0, watch.callbacks_left - watch.called_back),
    }
    return watch.model_copy(update={**counted, **seen})


def _wait_seconds(watch: Watch, now: datetime) -> int:
    # An execution that began under an older version does not say when its task did.
    seconds = wait_before_asking(
        watch.asking_at, began_at=watch.began_at or now, now=now, deadline_at=watch.deadline_at
    )
    # One that called back is done and does not show it yet, or failed to answer: it is asked once more, soon.
    return min(seconds, _SOON_SECONDS) if watch.called_back else seconds


def _took_seconds(watch: Watch, said: float | None, now: datetime) -> float | None:
    if watch.began_at is None:
        return None
    return took_seconds(said, began_at=watch.began_at, running_at=watch.running_at, done_at=now)


def _timed_out(watch: Watch, unanswered: str | None) -> Failure:
    if unanswered:
        message = f"nobody could say for a day how task {watch.task_id} is: {unanswered}"
    else:
        message = f"task {watch.task_id} was still running at the job's deadline"
    return Failure(
        code=FailureCode.PROVIDER_TIMEOUT,
        message=message,
        retryable=False,
        charged=Charged.UNKNOWN,
    )
