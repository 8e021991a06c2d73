"""Poll a provider once for the state of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.execution.outcomes import Failed, Finished, PollOutcome, Processing, Watch
from heliograph.execution.task_state import task_state
from heliograph.jobs.retry_policy import GIVE_UP, RESULT_PATIENCE, wait_for_result
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, StillRunning, TaskFailed
from heliograph.routes.poll_schedule import epoch_ms, task_seconds, wait_before_poll

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.providers.ports import ImageProvider

_SOON_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Polls tasks that workflows wait for."""

    providers: Mapping[str, ImageProvider]
    clock: Clock

    def poll(self, job_id: str, watch: Watch) -> PollOutcome:
        """Polls the task once. Reads and writes nothing of ours; a repeat is harmless.

        A poll without a usable answer says nothing about the task, which may be paid: polling goes on, whatever the
        answer was (a rejected key, an edge's error page), for a day beyond the deadline. A task that is completed and
        has no result yet is polled for some minutes more, also beyond the deadline.
        """
        watch = watch.model_copy(update={"asked_at_ms": epoch_ms(self.clock.now())})
        state = task_state(self.providers, watch.provider, watch.task_id)
        now = self.clock.now()
        match state:
            case Completed(result_urls, reported_seconds):
                took = _took_seconds(watch, reported_seconds, watch.completed_at or now)
                return Finished(job_id=job_id, watch=watch, result_urls=result_urls, took_seconds=took)
            case TaskFailed(failure):
                return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
            case NoResultYet():
                since = watch.completed_at or now
                if now >= since + RESULT_PATIENCE:
                    return Failed(job_id=job_id, failure=without_result(), attempt_id=watch.attempt_id)
                polled = _polled(watch, completed_at=since)
                return Processing(job_id=job_id, wait_seconds=wait_for_result(since, now), watch=polled)
            case StillRunning():
                if now >= watch.deadline_at:
                    return Failed(job_id=job_id, failure=_timed_out(watch, None), attempt_id=watch.attempt_id)
                polled = _polled(watch, running_at=now)
                return Processing(job_id=job_id, wait_seconds=_wait_seconds(watch, now), watch=polled)
            case NoAnswer(reason):
                if now >= watch.deadline_at + GIVE_UP:
                    return Failed(job_id=job_id, failure=_timed_out(watch, reason), attempt_id=watch.attempt_id)
                wait_seconds = _wait_seconds(watch, now)
                return Processing(job_id=job_id, wait_seconds=wait_seconds, watch=_polled(watch), unanswered=reason)


def without_result() -> Failure:
    """Failure of a task that is completed and never had a result. It may have been charged."""
    return Failure(
        code=FailureCode.RESULT_UNUSABLE,
        message="the provider completed the task without a result",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _polled(watch: Watch, **seen: datetime) -> Watch:
    """The watch after a poll that did not end it, with what was seen of the task."""
    counted: dict[str, Any] = {
        "polls": watch.polls + 1,
        "called_back": False,
        "callbacks_left": max(0, watch.callbacks_left - watch.called_back),
    }
    return watch.model_copy(update={**counted, **seen})


def _wait_seconds(watch: Watch, now: datetime) -> int:
    # An execution that began under an older version does not know when its task did.
    seconds = wait_before_poll(
        watch.poll_at_seconds, began_at=watch.began_at or now, now=now, deadline_at=watch.deadline_at
    )
    # The provider called back, but its status does not show the result yet, or it did not answer: poll again soon.
    return min(seconds, _SOON_SECONDS) if watch.called_back else seconds


def _took_seconds(watch: Watch, reported_seconds: float | None, now: datetime) -> float | None:
    if watch.began_at is None:
        return None
    return task_seconds(reported_seconds, began_at=watch.began_at, running_at=watch.running_at, done_at=now)


def _timed_out(watch: Watch, unanswered: str | None) -> Failure:
    if unanswered:
        message = f"the provider gave no state of task {watch.task_id} for a day: {unanswered}"
    else:
        message = f"task {watch.task_id} was still running at the job's deadline"
    return Failure(
        code=FailureCode.PROVIDER_TIMEOUT,
        message=message,
        retryable=False,
        charged=Charged.UNKNOWN,
    )
