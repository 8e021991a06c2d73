"""A provider says that a task has ended: a hint, never a fact. At most it makes us ask one question.

A callback is unsigned; its URL carries the attempt's token. What its body says is not believed: its one use is to name
a task that we lost sight of, and the provider itself is then asked whether there is such a task. Of a task that is
known, the workflow is woken, and asks.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.domain.errors import StaleJob
from heliograph.domain.identity import JOB_ID
from heliograph.domain.jobs import Attempt, Job
from heliograph.domain.provider import NoAnswer
from heliograph.steps.create_task import token_digest

if TYPE_CHECKING:
    from heliograph.ports import Clock, ImageProvider, JobStore, Waits


class Heard(StrEnum):
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


def hear_callback(job_id: str, token: str, task_id: str | None, *, hearing: Hearing) -> Heard:
    """Wakes the workflow that waits for the attempt's task, and lets one whose answer was lost have it back.

    `task_id` as the body claims it. Costs one read for a wrong token; a question is asked here only for an attempt that
    lacks its task, and a task is adopted only if the provider knows it and no other job has it.
    Raises `StorageFailed` or `WorkflowFailed` where a repeat will do better.
    """
    job = hearing.jobs.get(job_id) if JOB_ID.fullmatch(job_id) else None
    attempt = job.attempt if job else None
    if job is None or attempt is None or not _is_meant(job, attempt, token):
        return Heard.UNKNOWN
    if attempt.task_id:
        heard = Heard.KNOWN
    elif task_id is None:
        heard = Heard.MALFORMED
    else:
        heard = _adopt(job, attempt, task_id, hearing=hearing)
    if heard in (Heard.KNOWN, Heard.ADOPTED):
        hearing.waits.wake(attempt.attempt_id, hearing.clock.now())
    return heard


def _is_meant(job: Job, attempt: Attempt, token: str) -> bool:
    """Whether the token is that of the one attempt that may still bring a picture; in constant time."""
    same = hmac.compare_digest(attempt.callback_sha256 or "", token_digest(token))
    return same and attempt.is_open and not job.is_over


def _adopt(job: Job, attempt: Attempt, task_id: str, *, hearing: Hearing) -> Heard:
    if any(task_id == other.task_id for other in job.attempts):
        # It was this job's, and has ended.
        return Heard.UNKNOWN
    owner = hearing.jobs.owner_of(attempt.provider, task_id)
    if owner not in (None, job.job_id):
        return Heard.UNKNOWN
    provider = hearing.providers.get(attempt.provider)
    if provider is None or isinstance(provider.ask(task_id), NoAnswer):
        return Heard.UNCONFIRMED
    try:
        hearing.jobs.save(job.accepted(attempt.attempt_id, task_id, hearing.clock.now()))
    except StaleJob:
        # Its own answer arrived in the same moment, or it was given up.
        now_there = hearing.jobs.get(job.job_id)
        current = now_there.attempt if now_there and not now_there.is_over else None
        is_noted = current and current.attempt_id == attempt.attempt_id and current.is_open and current.task_id
        return Heard.KNOWN if is_noted else Heard.UNCONFIRMED
    return Heard.ADOPTED
