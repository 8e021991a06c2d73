"""Settle attempts whose charge was unknown when their job ended, and store what was paid, however late.

A job may end while a task of it runs on: its deadline passed, its workflow crashed, or the create call's answer was
lost. The charge of such an attempt is uncertain. `sweep` polls its task for a day after the job's end, with growing
gaps, and again whenever the provider calls back. The result is recorded as a `Settlement`; the job's end stays as it
was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.execution.copy_results import ResultCopier
from heliograph.execution.store_result import ResultStore
from heliograph.execution.task_state import task_state
from heliograph.jobs.job import Attempt, Job, JobStatus, Result, Settlement
from heliograph.jobs.publish_end import announce_settlements
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.kernel.failures import Charged
from heliograph.providers.protocol import Completed, TaskFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.providers.ports import ImageProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class LateSettler:
    """Settles uncertain attempts of jobs that are over."""

    jobs: JobStore
    providers: Mapping[str, ImageProvider]
    store: ResultStore
    copier: ResultCopier
    bus: EventBus
    clock: Clock

    def settle(self, job: Job) -> Job:
        """Polls each uncertain task of a job that is over, once; stores its images and corrects the job's cost.

        The order makes a repeat harmless: the images, the job's record, the job together with the ledger, the event. A
        settled attempt is never polled again. Raises `StaleJob` or an `Unavailable` where a later run may succeed.
        """
        now = self.clock.now()
        # Recorded before it begins: should this run crash, the next poll comes later.
        job = self.jobs.save(job.looking_late(now))
        for attempt in job.uncertain_attempts:
            if attempt.task_id and (settlement := self._settlement(job, attempt, attempt.task_id)):
                settled = job.settled(settlement)
                if settlement.results:
                    self.store.store_record(settled)
                job = self.jobs.save(settled.looked_late(now))
        if (polled := job.looked_late(now)) != job:
            job = self.jobs.save(polled)
        return self.publish(job)

    def publish(self, job: Job) -> Job:
        """Publishes the events of the job's settlements that are not known to be published. Raises `PublishFailed`."""
        return announce_settlements(job, jobs=self.jobs, bus=self.bus, results_bucket=self.store.bucket)

    def _settlement(self, job: Job, attempt: Attempt, task_id: str) -> Settlement | None:
        """Settlement of the attempt; `None` if its task's end is still unknown, or its images can't be had yet."""
        match task_state(self.providers, attempt.provider, task_id):
            case Completed(result_urls) if job.status is JobStatus.CANCELED:
                # Its owner canceled it: as for any canceled job, the image stays at the provider.
                message = f"task {task_id} was finished and charged after the job was canceled; it was not stored"
                return self._charged(attempt, message, provider_urls=result_urls)
            case Completed(result_urls):
                return self._stored(job, attempt, task_id, result_urls)
            case TaskFailed(failure) if failure.charged is Charged.NO:
                message = f"task {task_id} failed after the job had ended: {failure.message}"
                return Settlement(
                    attempt_id=attempt.attempt_id, at=self.clock.now(), charged=Charged.NO, message=message
                )
            case _:
                return None

    def _stored(self, job: Job, attempt: Attempt, task_id: str, result_urls: tuple[str, ...]) -> Settlement | None:
        copies = self.copier.copy_all(job, attempt, result_urls, first=len(job.all_results) + 1)
        results = tuple(copy for copy in copies if isinstance(copy, Result))
        unusable = [copy for copy in copies if not isinstance(copy, Result)]
        is_last = job.late_since is None or self.clock.now() >= job.late_since + GIVE_UP
        if not is_last and any(error.again or error.host_failed for error in unusable):
            return None
        record_key = job.record_key if results else None
        if unusable:
            reason = "; ".join(str(error) for error in unusable)
            message = f"task {task_id} was finished after the job had ended, but {reason}"
            return self._charged(attempt, message, results=results, record_key=record_key, provider_urls=result_urls)
        message = f"task {task_id} was finished after the job had ended, and its images were stored"
        return self._charged(attempt, message, results=results, record_key=record_key)

    def _charged(
        self,
        attempt: Attempt,
        message: str,
        *,
        results: tuple[Result, ...] = (),
        record_key: str | None = None,
        provider_urls: tuple[str, ...] = (),
    ) -> Settlement:
        return Settlement(
            attempt_id=attempt.attempt_id,
            at=self.clock.now(),
            charged=Charged.YES,
            message=message,
            results=results,
            record_key=record_key,
            provider_urls=provider_urls,
        )
