"""A provider says that a task has ended: a hint, never a fact. At most it makes us ask one question.

A callback is unsigned; its URL carries the attempt's token. What its body says is not believed: its one use is to name
a task that we lost sight of, and the provider itself is then asked whether there is such a task. Of a task that is
known, the workflow is woken, and asks. Of a task whose attempt was given up, or whose job is over, `sweep` is told: it
polls the task, and delivers what was paid.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.jobs.job import Attempt, Job
from heliograph.kernel.errors import StaleJob
from heliograph.kernel.ids import JOB_ID, token_digest
from heliograph.providers.protocol import NoAnswer

if TYPE_CHECKING:
    from heliograph.execution.ports import Waits
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock
    from heliograph.providers.ports import ImageProvider


class CallbackResult(StrEnum):
    """What came of a callback."""

    # Wrong, stale, or not ours: all the same to whoever sent it.
    UNKNOWN = "unknown"
    KNOWN = "known"
    ADOPTED = "adopted"
    # The provider could not be asked, or knows no such task: worth sending again.
    UNCONFIRMED = "unconfirmed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What hearing a callback takes."""

    jobs: JobStore
    providers: Mapping[str, ImageProvider]
    waits: Waits
    clock: Clock


def receive_callback(job_id: str, token: str, task_id: str | None, *, hearing: Hearing) -> CallbackResult:
    """Wakes the workflow that waits for the attempt's task, and lets one whose answer was lost have it back.

    `task_id` as the body claims it. Costs one read for a wrong token; a question is asked here only for an attempt that
    lacks its task, and a task is adopted only if the provider knows it and no other job has it.
    Raises `StorageFailed` or `WorkflowFailed` where a repeat will do better.
    """
    job = hearing.jobs.get(job_id) if JOB_ID.fullmatch(job_id) else None
    attempt = _meant(job, token) if job else None
    if job is None or attempt is None:
        return CallbackResult.UNKNOWN
    now = hearing.clock.now()
    if attempt.task_id is None and task_id is None:
        return CallbackResult.MALFORMED
    if not attempt.is_open:
        # Nobody waits for it any more; what it says may still be worth a poll, by the next sweep.
        if attempt.task_id is None and task_id:
            return _adopt(job, attempt, task_id, lambda adopted: adopted.found, hearing=hearing)
        return _called_late(job, hearing=hearing)
    if attempt.task_id is None and task_id:
        heard = _adopt(job, attempt, task_id, lambda adopted: adopted.accepted, hearing=hearing)
    else:
        heard = CallbackResult.KNOWN
    if heard in (CallbackResult.KNOWN, CallbackResult.ADOPTED):
        hearing.waits.wake(attempt.attempt_id, now)
    return heard


def _meant(job: Job, token: str) -> Attempt | None:
    """The attempt whose token it is, if that may still bring an image; each is compared in constant time."""
    digest = token_digest(token)
    same = [a for a in job.attempts if hmac.compare_digest(a.callback_sha256 or "", digest)]
    return next((a for a in same if a in job.in_doubt or (a.is_open and not job.is_over)), None)


def _called_late(job: Job, *, hearing: Hearing) -> CallbackResult:
    """A repeat writes nothing: the sweep is on its way already."""
    called = job.called_late(hearing.clock.now()) if job.is_over else job
    if called != job:
        try:
            hearing.jobs.save(called)
        except StaleJob:
            return CallbackResult.UNCONFIRMED
    return CallbackResult.KNOWN


Noting = Callable[[str, str, datetime], Job]


def _adopt(
    job: Job, attempt: Attempt, task_id: str, noting: Callable[[Job], Noting], *, hearing: Hearing
) -> CallbackResult:
    if any(task_id == other.task_id for other in job.attempts):
        # It was this job's, and has ended.
        return CallbackResult.UNKNOWN
    owner = hearing.jobs.owner_of(attempt.provider, task_id)
    if owner not in (None, job.job_id):
        return CallbackResult.UNKNOWN
    provider = hearing.providers.get(attempt.provider)
    state = provider.poll(task_id) if provider else None
    if state is None or isinstance(state, NoAnswer):
        return CallbackResult.UNCONFIRMED
    if not attempt.may_have_made(state.facts):
        return CallbackResult.UNKNOWN
    try:
        hearing.jobs.save(noting(job)(attempt.attempt_id, task_id, hearing.clock.now()))
    except StaleJob:
        # Its own answer arrived in the same moment, or it was given up.
        now_there = hearing.jobs.get(job.job_id)
        is_noted = now_there and any(
            other.attempt_id == attempt.attempt_id and other.is_open and other.task_id and not now_there.is_over
            for other in now_there.attempts
        )
        return CallbackResult.KNOWN if is_noted else CallbackResult.UNCONFIRMED
    return CallbackResult.ADOPTED
