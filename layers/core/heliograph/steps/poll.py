"""Ask the provider once how a task is: one question, one answer, one next wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.outcomes import Failed, Finished, PollOutcome, Processing, Watch
from heliograph.domain.polling import wait_before_asking
from heliograph.domain.provider import Completed, NoAnswer, StillRunning, TaskFailed
from heliograph.domain.retrying import GIVE_UP
from heliograph.ports import Clock, ImageProvider


def poll(job_id: str, watch: Watch, *, providers: Mapping[str, ImageProvider], clock: Clock) -> PollOutcome:
    """What the workflow does next. Reads and writes nothing of ours; a repeat is harmless.

    A question that gets no usable answer says nothing about the task, which may be paid: asking goes on, whatever the
    answer was (a key that was just changed, an edge's error page), and beyond the deadline for another day.
    """
    provider = providers.get(watch.provider)
    state = provider.ask(watch.task_id) if provider else NoAnswer(f"{watch.provider} is configured no more")
    match state:
        case Completed(result_urls):
            return Finished(job_id=job_id, watch=watch, result_urls=result_urls)
        case TaskFailed(failure):
            return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
        case StillRunning() | NoAnswer():
            now = clock.now()
            unanswered = state.reason if isinstance(state, NoAnswer) else None
            if now >= watch.deadline_at + (GIVE_UP if unanswered else timedelta(0)):
                failure = _timed_out(watch, unanswered)
                return Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id)
            questions = watch.questions + 1
            return Processing(
                job_id=job_id,
                wait_seconds=wait_before_asking(questions, now=now, deadline_at=watch.deadline_at),
                watch=watch.model_copy(update={"questions": questions}),
                unanswered=unanswered,
            )


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
