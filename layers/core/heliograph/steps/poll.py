"""Ask the provider once how a task is: one question, one answer, one next wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.outcomes import Failed, Finished, PollOutcome, Processing, Watch
from heliograph.domain.polling import epoch_ms, took_seconds, wait_before_asking
from heliograph.domain.provider import Completed, NoAnswer, StillRunning, TaskFailed
from heliograph.domain.retrying import GIVE_UP

if TYPE_CHECKING:
    from heliograph.ports import Clock, ImageProvider

_SOON_SECONDS = 2


def poll(job_id: str, watch: Watch, *, providers: Mapping[str, ImageProvider], clock: Clock) -> PollOutcome:
    """What the workflow does next. Reads and writes nothing of ours; a repeat is harmless.

    A question that gets no usable answer says nothing about the task, which may be paid: asking goes on, whatever the
    answer was (a key that was just changed, an edge's error page), and beyond the deadline for another day.
    """
    watch = watch.model_copy(update={"asked_at_ms": epoch_ms(clock.now())})
    provider = providers.get(watch.provider)
    state = provider.ask(watch.task_id) if provider else NoAnswer(f"{watch.provider} is configured no more")
    match state:
        case Completed(result_urls, said):
            took = _took_seconds(watch, said, clock.now())
            return Finished(job_id=job_id, watch=watch, result_urls=result_urls, took_seconds=took)
        case TaskFailed(failure):
            return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
        case StillRunning() | NoAnswer():
            now = clock.now()
            unanswered = state.reason if isinstance(state, NoAnswer) else None
            if now >= watch.deadline_at + (GIVE_UP if unanswered else timedelta(0)):
                failure = _timed_out(watch, unanswered)
                return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
            # An execution that began under an older version does not say when its task did.
            wait_seconds = wait_before_asking(
                watch.asking_at, began_at=watch.began_at or now, now=now, deadline_at=watch.deadline_at
            )
            if watch.called_back:
                # It says that it is done, and does not show it yet, or failed to answer: it is asked once more, soon.
                wait_seconds = min(wait_seconds, _SOON_SECONDS)
            seen: dict[str, Any] = {
                "questions": watch.questions + 1,
                "called_back": False,
                "callbacks_left": max(0, watch.callbacks_left - watch.called_back),
            }
            if not unanswered:
                seen["running_at"] = now
            return Processing(
                job_id=job_id,
                wait_seconds=wait_seconds,
                watch=watch.model_copy(update=seen),
                unanswered=unanswered,
            )


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
