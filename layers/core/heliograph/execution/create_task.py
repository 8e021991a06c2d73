"""Make the one create call of an attempt: write the attempt, call the provider, record the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.execution.failover import Call, Stop, next_call
from heliograph.execution.outcomes import (
    MAX_EARLY_CALLBACKS,
    DispatchOutcome,
    Failed,
    Finished,
    NotYet,
    Processing,
    Watch,
)
from heliograph.execution.reference_links import ReferenceLinks
from heliograph.jobs.job import Attempt, Job
from heliograph.jobs.retry_policy import wait_for_news
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id, token_digest
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.providers.protocol import Accepted, Refused, TaskRequest, Uncertain
from heliograph.routes.config import Route, Routes
from heliograph.routes.control import RouteControl
from heliograph.routes.poll_schedule import Latencies, epoch_ms, poll_times, wait_before_poll

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.providers.ports import ImageProvider

# The workflow carries the answer as well, and waits for no table longer than that.
_RECORD_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAddress:
    """Address at which providers call back."""

    base_url: str

    def url_for(self, job_id: str, callback_secret: str) -> str:
        """Callback URL of one attempt of a job."""
        return f"{self.base_url}/v1/callbacks/{job_id}/{callback_secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCreator:
    """Makes create calls, and waits for the tasks that they made."""

    jobs: JobStore
    references: ReferenceLinks
    providers: Mapping[str, ImageProvider]
    routes: Routes
    control: RouteControl
    callbacks: CallbackAddress | None
    """`None`: providers can't reach this deployment."""
    new_secret: Callable[[], str]
    """Makes an unguessable callback secret."""

    def create(self, job: Job, route: Route, run_id: str, *, latencies: Latencies) -> DispatchOutcome | None:
        """Makes one create call; `None`, and no call, if another run makes it.

        Must not be called while an earlier attempt may still be charged. `latencies`: those of the route.

        Raises, before anything was sent, `BudgetExceeded` if the route costs more than is left for the job, `RouteFull`
        if it runs as many tasks as it may, and `StorageFailed`.
        """
        request = self._task_request(job, route)
        attempt_id = derived_id("att", job.job_id, str(len(job.attempts) + 1))
        callback_secret = self.new_secret() if self.callbacks else None
        provider = self.providers[route.provider]
        # Read before the call leaves: should its answer be lost, they may prove that it made no task.
        books_before = provider.books()
        now = self.control.clock.now()
        digest = token_digest(callback_secret) if callback_secret else None
        intended = job.attempting(attempt_id, run_id, route, now, callback_sha256=digest, books_before=books_before)
        claimed = self._claim(intended, attempt_id, run_id)
        if claimed is None:
            return None
        if self.callbacks and callback_secret:
            request = request.with_callback(self.callbacks.url_for(job.job_id, callback_secret))
        match provider.create(request):
            case Accepted(task_id, result_urls):
                return self._record_accepted(claimed, attempt_id, task_id, result_urls, latencies=latencies)
            case Uncertain(reason):
                return self._record_uncertain(claimed, attempt_id, reason)
            case Refused(failure, retry_after_seconds):
                return self._record_refused(claimed, attempt_id, failure, retry_after_seconds)

    def wait_for_task(self, job: Job, attempt: Attempt, now: datetime) -> Processing | NotYet:
        """The wait for an open attempt: for its known task, or for a lost one to announce itself."""
        if attempt.task_id:
            latencies = self.control.recent_latencies(self.routes.named(attempt.route))
            # A task that announced itself was accepted long before that was recorded.
            return _watch(job, attempt, attempt.task_id, now, began_at=attempt.intended_at, latencies=latencies)
        # The call may be on its way in another run of this function, or its task may yet announce itself.
        wait_seconds = wait_for_news(attempt.intended_at, job.lost_call_deadline, now)
        return wait_for_callback(job, attempt, now, wait_seconds, "it is not known yet whether the call arrived")

    def record_failure(
        self, attempt: Attempt, failure: Failure, *, tenant: str | None = None, wait_seconds: int | None = None
    ) -> None:
        """Records a failure of the attempt with its route. Never raises.

        `tenant`: the tenant that may have caused the failure, by its job's task or by a call without an answer. A call
        that the route refused would have been refused to any tenant.
        """
        if route := self.routes.named(attempt.route):
            self.control.record_failure(route, failure, attempt.intended_at, tenant=tenant, wait_seconds=wait_seconds)

    def _claim(self, intended: Job, attempt_id: str, run_id: str) -> Job | None:
        """The job with this run's attempt written; `None` if another run wrote its own. Certain, whatever was answered.

        A write whose answer is lost may have happened. Repeated by the SDK, it then looks as if another writer had been
        faster. The run's id decides.
        """
        try:
            return self.jobs.save(intended)
        except (StaleJob, StorageFailed) as error:
            current = self.jobs.get(intended.job_id)
            if current and current.attempt and current.attempt.attempt_id == attempt_id:
                return current if current.attempt.run_id == run_id else None
            if isinstance(error, StaleJob):
                return None
            raise

    def _record_accepted(
        self, job: Job, attempt_id: str, task_id: str, result_urls: tuple[str, ...], *, latencies: Latencies
    ) -> DispatchOutcome:
        now, attempt = self.control.clock.now(), job.attempts[-1]
        self._save(job, lambda current: current.accepted(attempt_id, task_id, now))
        if route := self.routes.named(attempt.route):
            self.control.record_acceptance(route)
        accepted = job.accepted(attempt_id, task_id, now)
        processing = _watch(accepted, attempt, task_id, now, began_at=now, latencies=latencies)
        if result_urls:
            return Finished(job_id=job.job_id, watch=processing.watch, result_urls=result_urls)
        return processing

    def _record_uncertain(self, job: Job, attempt_id: str, reason: str) -> DispatchOutcome:
        now, failure = self.control.clock.now(), uncertain_call(reason)
        saved = self._save(job, lambda current: current.mark_uncertain(attempt_id, reason, now))
        self.record_failure(job.attempts[-1], failure, tenant=job.tenant)
        # Without that record, the job waits for as long as if this run had crashed.
        current = saved or job
        if current.attempt and (current.attempt.task_id or now < current.lost_call_deadline):
            return self.wait_for_task(current, current.attempt, now)
        if not current.may_resubmit:
            return Failed(job_id=job.job_id, failure=failure, attempt_id=attempt_id)
        return NotYet(job_id=job.job_id, wait_seconds=1, reason="the request accepts the risk of a second charge")

    def _record_refused(
        self, job: Job, attempt_id: str, failure: Failure, retry_after_seconds: int | None
    ) -> DispatchOutcome:
        now = self.control.clock.now()
        saved = self._save(
            job,
            lambda current: current.refused(attempt_id, failure, now, retry_after_seconds=retry_after_seconds),
        )
        self.record_failure(job.attempts[-1], failure, wait_seconds=retry_after_seconds)
        if saved is None:
            # Without a record there must be no other attempt: the next run could not tell this from an uncertain call.
            return Failed(job_id=job.job_id, failure=failure, attempt_id=attempt_id)
        step = next_call(saved, self.routes)
        wait_seconds = step.wait_seconds if isinstance(step, Call) else 0
        if isinstance(step, Stop) or now + timedelta(seconds=wait_seconds) >= job.deadline_at:
            return Failed(job_id=job.job_id, failure=failure)
        return NotYet(job_id=job.job_id, wait_seconds=max(1, wait_seconds), reason=failure.message)

    def _save(self, job: Job, change: Callable[[Job], Job]) -> Job | None:
        """The changed job, written if possible. The workflow carries what matters too, so `None` loses nothing."""

        def read() -> Job:
            with suppress(StorageFailed):
                found = self.jobs.get(job.job_id)
                if found is None:
                    raise StaleJob(job.job_id)
                return found
            return job

        with suppress(StaleJob, StorageFailed):
            return update_with_retry(
                read,
                lambda current: self.jobs.save(change(current)),
                first=job,
                on=(StaleJob, StorageFailed),
                tries=_RECORD_TRIES,
            )
        return None

    def _task_request(self, job: Job, route: Route) -> TaskRequest:
        request = job.request
        return TaskRequest(
            model=route.model,
            prompt=request.prompt,
            aspect_ratio=request.aspect_ratio,
            nsfw_checker=request.nsfw_checker,
            reference_urls=tuple(self.references.url_of(reference) for reference in request.references),
        )


def wait_for_callback(job: Job, attempt: Attempt, now: datetime, wait_seconds: int, reason: str) -> NotYet:
    """A wait that a callback for the attempt ends early."""
    return NotYet(
        job_id=job.job_id,
        wait_seconds=wait_seconds,
        reason=reason,
        attempt_id=attempt.attempt_id if attempt.callback_sha256 else None,
        asked_at_ms=epoch_ms(now),
    )


def uncertain_call(reason: str) -> Failure:
    """Failure of a call that may have arrived."""
    return Failure(
        code=FailureCode.SUBMISSION_UNCERTAIN,
        message=f"it is unknown whether the provider created a task: {reason}",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _watch(
    job: Job, attempt: Attempt, task_id: str, now: datetime, *, began_at: datetime, latencies: Latencies
) -> Processing:
    has_callback = attempt.callback_sha256 is not None
    watch = Watch(
        attempt_id=attempt.attempt_id,
        provider=attempt.provider,
        model=attempt.model,
        task_id=task_id,
        deadline_at=job.result_deadline,
        began_at=began_at,
        poll_at_seconds=poll_times(latencies, has_callback=has_callback),
        callbacks_left=MAX_EARLY_CALLBACKS if has_callback else 0,
        asked_at_ms=epoch_ms(attempt.intended_at),
    )
    wait_seconds = wait_before_poll(watch.poll_at_seconds, began_at=began_at, now=now, deadline_at=watch.deadline_at)
    return Processing(job_id=job.job_id, wait_seconds=wait_seconds, watch=watch)
