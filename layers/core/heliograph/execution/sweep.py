"""Sweep the jobs that should have moved by now, as well as the routes and budgets with unpublished events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.budgets.announce import BudgetWatch
from heliograph.execution.end_job import JobEnder
from heliograph.execution.recover import Recoverer, crashed
from heliograph.execution.settle import LateSettler
from heliograph.jobs.job import Job
from heliograph.jobs.publish_end import announce
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.failures import Charged
from heliograph.routes.config import Route
from heliograph.routes.control import RouteControl

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore, Workflow
    from heliograph.kernel.ports import Clock, EventBus

ONE_JOB = timedelta(seconds=180)
"""Time that one job may take: a poll, and a download of the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """The last net under all others: a start that failed after the job was written, a lost status event, an outage."""

    jobs: JobStore
    workflow: Workflow
    recoverer: Recoverer
    settler: LateSettler
    ender: JobEnder
    routes: Sequence[Route]
    control: RouteControl
    budgets: BudgetWatch
    bus: EventBus
    clock: Clock
    results_bucket: str

    def sweep(self, *, time_left: Callable[[], timedelta], limit: int = 1000) -> list[str]:
        """Starts jobs that never started, polls tasks without a workflow, recovers stuck jobs, publishes lost events.

        Returns one line for each action, for the log. Stops while there is `time_left` for one more job.
        """
        done = [*self._publish_routes(), *self.budgets.warn()]
        for job_id in self.jobs.needing_attention(self.clock.now(), limit=limit):
            if time_left() < ONE_JOB:
                break
            if did := self._sweep_job(job_id):
                done.append(did)
        return done

    def _publish_routes(self) -> list[str]:
        try:
            return self.control.publish_changes(self.routes)
        except StorageFailed as error:
            return [f"left the routes: {error}"]

    def _sweep_job(self, job_id: str) -> str | None:
        """The action taken; `None` if the job needs none after all: the index lags behind the table."""
        now = self.clock.now()
        try:
            job = self.jobs.get(job_id)
            if job is None or job.attention_at is None or job.attention_at > now:
                return None
            if job.is_over:
                return self._sweep_ended(job)
            if job.attempts or now >= job.deadline_at:
                # Recorded before it begins: should this run crash on the job, the next begins with another.
                self.jobs.save(job.as_orphaned(now))
                outcome = self.recoverer.recover(job_id, "it did not end the job")
                return f"recovered {job_id}: {outcome.outcome}"
            started = self.workflow.start(job_id)
        except Exception as error:
            return self._set_aside(job_id, error)
        # Without that record, the job is checked once more.
        with suppress(StaleJob, StorageFailed):
            self.jobs.save(job.as_started())
        return f"started {job.job_id}" if started else f"waited for {job.job_id}"

    def _sweep_ended(self, job: Job) -> str:
        """Publishes the job's unpublished events, and polls its uncertain tasks when that is due."""
        did = []
        if not job.announced:
            job = announce(job, jobs=self.jobs, bus=self.bus, results_bucket=self.results_bucket)
            did.append("announced")
        if any(not settlement.announced for settlement in job.settlements):
            job = self.settler.publish(job)
            did.append("announced the settlement of")
        if job.late_look_at and job.late_look_at <= self.clock.now():
            known = len(job.settlements)
            job = self.settler.settle(job)
            did.append("settled" if len(job.settlements) > known else "polled the late task of")
        return f"{' and '.join(did)} {job.job_id}"

    def _set_aside(self, job_id: str, error: Exception) -> str:
        """A job with an error must not keep the others waiting, nor be retried for ever."""
        what = f"{job_id}: {type(error).__name__}: {error}"
        with suppress(Exception):
            current = self.jobs.get(job_id)
            if current and not current.is_over and current.attempts:
                if self.clock.now() >= current.result_deadline + 2 * GIVE_UP:
                    self.ender.fail(current, crashed(f"{type(error).__name__} for days", Charged.UNKNOWN))
                    return f"gave up {what}"
                self.ender.leave_to_sweep(current)
        return f"left {what}"
