"""Receive a provider's callback: a hint that a task has ended, never a fact. It costs one poll at most.

A callback is unsigned; its URL carries the attempt's callback secret. Its body is not believed: it only names the task
of an attempt without one, and the provider is then polled for that task. For a known task, the callback wakes the
workflow, which polls. For a task whose attempt was given up, or whose job is over, it makes `sweep` poll the task soon
and store what was paid.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from heliograph.execution.task_state import task_state
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
    """Result of a callback."""

    UNKNOWN = "unknown"
    """Wrong, stale, or not ours; the sender can't distinguish these."""
    KNOWN = "known"
    """About a known task."""
    ADOPTED = "adopted"
    """Named the task of a lost call, and the provider confirmed it."""
    UNCONFIRMED = "unconfirmed"
    """The provider could not be polled, or knows no such task: worth sending again."""
    MALFORMED = "malformed"
    """Names no task, where the attempt has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReceiver:
    """Receives callbacks of all providers."""

    jobs: JobStore
    providers: Mapping[str, ImageProvider]
    waits: Waits
    clock: Clock

    def receive(self, job_id: str, callback_secret: str, task_id: str | None) -> CallbackResult:
        """Wakes the workflow that waits for the attempt's task, and adopts a task whose create call was lost.

        `task_id`: as the body claims it. A wrong secret costs one read. Only an attempt without a task costs a poll,
        and its task is adopted only if the provider knows it and no other job has it. Raises `StorageFailed` or
        `WorkflowFailed` where a retry may succeed.
        """
        job = self.jobs.get(job_id) if JOB_ID.fullmatch(job_id) else None
        attempt = _attempt_of(job, callback_secret) if job else None
        if job is None or attempt is None:
            return CallbackResult.UNKNOWN
        now = self.clock.now()
        if attempt.task_id is None and task_id is None:
            return CallbackResult.MALFORMED
        if not attempt.is_open:
            # No workflow waits for it any more; the next sweep polls its task.
            if attempt.task_id is None and task_id:
                return self._adopt(job, attempt, task_id)
            return self._poll_soon(job)
        result = CallbackResult.KNOWN
        if attempt.task_id is None and task_id:
            result = self._adopt(job, attempt, task_id)
        if result in (CallbackResult.KNOWN, CallbackResult.ADOPTED):
            self.waits.wake(attempt.attempt_id, now)
        return result

    def _poll_soon(self, job: Job) -> CallbackResult:
        """Lets the next sweep poll the job's uncertain tasks. A repeat writes nothing."""
        called = job.called_late(self.clock.now()) if job.is_over else job
        if called != job:
            try:
                self.jobs.save(called)
            except StaleJob:
                return CallbackResult.UNCONFIRMED
        return CallbackResult.KNOWN

    def _adopt(self, job: Job, attempt: Attempt, task_id: str) -> CallbackResult:
        if any(task_id == other.task_id for other in job.attempts):
            # It was this job's, and has ended.
            return CallbackResult.UNKNOWN
        owner = self.jobs.owner_of(attempt.provider, task_id)
        if owner not in (None, job.job_id):
            return CallbackResult.UNKNOWN
        state = task_state(self.providers, attempt.provider, task_id)
        if isinstance(state, NoAnswer):
            return CallbackResult.UNCONFIRMED
        if not attempt.may_have_made(state.facts):
            return CallbackResult.UNKNOWN
        adopt = job.accepted if attempt.is_open else job.found
        try:
            self.jobs.save(adopt(attempt.attempt_id, task_id, self.clock.now()))
        except StaleJob:
            # The create call's own answer arrived in the same moment, or the attempt was given up.
            current = self.jobs.get(job.job_id)
            is_known = current and any(
                other.attempt_id == attempt.attempt_id and other.is_open and other.task_id and not current.is_over
                for other in current.attempts
            )
            return CallbackResult.KNOWN if is_known else CallbackResult.UNCONFIRMED
        return CallbackResult.ADOPTED


def _attempt_of(job: Job, callback_secret: str) -> Attempt | None:
    """The attempt with that secret, if it may still produce an image. Digests are compared in constant time."""
    digest = token_digest(callback_secret)
    same = [a for a in job.attempts if hmac.compare_digest(a.callback_sha256 or "", digest)]
    return next((a for a in same if a in job.uncertain_attempts or (a.is_open and not job.is_over)), None)
