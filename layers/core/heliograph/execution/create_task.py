"""Make the one create call of an attempt: write its intent, call, note what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.execution.failover import Call, Stop, next_call
from heliograph.execution.outcomes import CALLBACKS_HEARD, DispatchOutcome, Failed, Finished, NotYet, Processing, Watch
from heliograph.execution.reuse_result import Reusing
from heliograph.execution.try_links import link_of
from heliograph.jobs.job import Attempt, Job
from heliograph.jobs.retry_policy import wait_for_news
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id, token_digest
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.providers.protocol import Accepted, Refused, TaskRequest, Uncertain
from heliograph.routes.config import Route, Routes
from heliograph.routes.control import RouteControl, recent_latencies, record_acceptance, record_failure
from heliograph.routes.poll_schedule import Latencies, epoch_ms, moments, wait_before_asking

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.execution.ports import LinkTrial
    from heliograph.jobs.ports import JobStore
    from heliograph.providers.ports import ImageProvider
    from heliograph.storage.ports import ObjectStore

# The answer is on its way to the workflow, which carries it as well: it waits for no table longer than that.
_NOTE_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Creating:
    """What creating a task takes. `callback_base`: where providers reach us, if they can; `new_token`: unguessable."""

    jobs: JobStore
    ledger: Ledger
    objects: ObjectStore
    links: LinkTrial
    providers: Mapping[str, ImageProvider]
    routes: Routes
    control: RouteControl
    callback_base: str | None
    new_token: Callable[[], str]
    reusing: Reusing


def create_task(
    job: Job, route: Route, run_id: str, *, latencies: Latencies, creating: Creating
) -> DispatchOutcome | None:
    """One create call; `None`, and no call, if another run makes it. Illegal while an earlier attempt may still bill.

    `latencies`: what the route's tasks took lately.

    Raises, before anything was sent, `BudgetExceeded` if the route costs more than is left for the job, `RouteFull` if
    it runs as many tasks as it may, and `StorageFailed`.
    """
    request = _task_request(job, route, creating=creating)
    attempt_id = derived_id("att", job.job_id, str(len(job.attempts) + 1))
    token = creating.new_token() if creating.callback_base else None
    provider = creating.providers[route.provider]
    # Read before the call leaves: should its answer be lost, they may prove that no task was made of it.
    books_before = provider.books()
    now = creating.control.clock.now()
    digest = token_digest(token) if token else None
    intended = job.attempting(attempt_id, run_id, route, now, callback_sha256=digest, books_before=books_before)
    claimed = _claim(intended, attempt_id, run_id, jobs=creating.jobs)
    if claimed is None:
        return None
    if token:
        request = request.with_callback(f"{creating.callback_base}/v1/callbacks/{job.job_id}/{token}")
    outcome = provider.create(request)
    return _record(claimed, attempt_id, outcome, latencies=latencies, creating=creating)


def await_task(job: Job, attempt: Attempt, now: datetime, *, creating: Creating) -> DispatchOutcome:
    """What to do for an attempt that is open: watch its task, or wait until that makes itself known."""
    if attempt.task_id:
        latencies = recent_latencies(creating.routes.named(attempt.route), control=creating.control)
        # A task that announced itself was accepted long before that was noted.
        return _watch(job, attempt, attempt.task_id, now, began_at=attempt.intended_at, latencies=latencies)
    # The call may be on its way in another run of this function, or its task may yet announce itself.
    wait_seconds = wait_for_news(attempt.intended_at, job.lost_call_deadline, now)
    return for_news(job, attempt, now, wait_seconds, "nobody knows yet whether the call arrived")


def for_news(job: Job, attempt: Attempt, now: datetime, wait_seconds: int, reason: str) -> NotYet:
    """A wait that a callback for the attempt ends."""
    return NotYet(
        job_id=job.job_id,
        wait_seconds=wait_seconds,
        reason=reason,
        attempt_id=attempt.attempt_id if attempt.callback_sha256 else None,
        asked_at_ms=epoch_ms(now),
    )


def report(
    attempt: Attempt,
    failure: Failure | None,
    *,
    creating: Creating,
    tenant: str | None = None,
    wait_seconds: int | None = None,
) -> None:
    """Tells the attempt's route how it did. Never raises.

    `tenant`: whose doing a failure may be: of what was made of its job, or of a call that nobody answered. A call that
    was refused for the route's sake would have been refused to anybody.
    """
    route = creating.routes.named(attempt.route)
    if route and failure:
        record_failure(
            route,
            failure,
            attempt.intended_at,
            control=creating.control,
            tenant=tenant,
            wait_seconds=wait_seconds,
        )
    elif route:
        record_acceptance(route, control=creating.control)


def uncertain(reason: str) -> Failure:
    """What is said of a call that may have arrived."""
    return Failure(
        code=FailureCode.SUBMISSION_UNCERTAIN,
        message=f"nobody knows whether the provider made a task: {reason}",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _record(
    job: Job,
    attempt_id: str,
    outcome: Accepted | Refused | Uncertain,
    *,
    latencies: Latencies,
    creating: Creating,
) -> DispatchOutcome:
    now = creating.control.clock.now()
    attempt = job.attempts[-1]
    match outcome:
        case Accepted(task_id, result_urls):
            _note(job, lambda current: current.accepted(attempt_id, task_id, now), jobs=creating.jobs)
            report(attempt, None, creating=creating)
            accepted = job.accepted(attempt_id, task_id, now)
            processing = _watch(accepted, attempt, task_id, now, began_at=now, latencies=latencies)
            if result_urls:
                return Finished(job_id=job.job_id, watch=processing.watch, result_urls=result_urls)
            return processing
        case Uncertain(reason):
            noted = _note(job, lambda current: current.mark_uncertain(attempt_id, reason, now), jobs=creating.jobs)
            report(attempt, uncertain(reason), creating=creating, tenant=job.tenant)
            # What is not noted waits for as long as if this run had crashed.
            doubted = noted or job
            if doubted.attempt and (doubted.attempt.task_id or now < doubted.lost_call_deadline):
                return await_task(doubted, doubted.attempt, now, creating=creating)
            if not doubted.may_resubmit:
                return Failed(job_id=job.job_id, failure=uncertain(reason), attempt_id=attempt_id)
            return NotYet(job_id=job.job_id, wait_seconds=1, reason="the risk of a second bill is accepted")
        case Refused(failure, retry_after_seconds):
            noted = _note(
                job,
                lambda current: current.refused(attempt_id, failure, now, retry_after_seconds=retry_after_seconds),
                jobs=creating.jobs,
            )
            report(attempt, failure, creating=creating, wait_seconds=retry_after_seconds)
            if noted is None:
                # What can't be noted must not be tried again: the next run could not tell it from an uncertain call.
                return Failed(job_id=job.job_id, failure=failure, attempt_id=attempt_id)
            step = next_call(noted, creating.routes)
            wait_seconds = step.wait_seconds if isinstance(step, Call) else 0
            if isinstance(step, Stop) or now + timedelta(seconds=wait_seconds) >= job.deadline_at:
                return Failed(job_id=job.job_id, failure=failure)
            return NotYet(job_id=job.job_id, wait_seconds=max(1, wait_seconds), reason=failure.message)


def _claim(intended: Job, attempt_id: str, run_id: str, *, jobs: JobStore) -> Job | None:
    """The job with this run's intent written; `None` if another run's is. Certain, whatever the store answered.

    A write whose answer is lost may be there all the same: repeated below us, it then looks as if somebody else
    had been faster. The run's own id tells.
    """
    try:
        return jobs.save(intended)
    except (StaleJob, StorageFailed) as error:
        current = jobs.get(intended.job_id)
        if current and current.attempt and current.attempt.attempt_id == attempt_id:
            return current if current.attempt.run_id == run_id else None
        if isinstance(error, StaleJob):
            return None
        raise


def _note(job: Job, change: Callable[[Job], Job], *, jobs: JobStore) -> Job | None:
    """The changed job, written as best it can: the workflow carries what matters too, so `None` loses nothing."""

    def read() -> Job:
        with suppress(StorageFailed):
            found = jobs.get(job.job_id)
            if found is None:
                raise StaleJob(job.job_id)
            return found
        return job

    with suppress(StaleJob, StorageFailed):
        return update_with_retry(
            read,
            lambda current: jobs.save(change(current)),
            first=job,
            on=(StaleJob, StorageFailed),
            tries=_NOTE_TRIES,
        )
    return None


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
        asking_at=moments(latencies, has_callback=has_callback),
        callbacks_left=CALLBACKS_HEARD if has_callback else 0,
        asked_at_ms=epoch_ms(attempt.intended_at),
    )
    wait_seconds = wait_before_asking(watch.asking_at, began_at=began_at, now=now, deadline_at=watch.deadline_at)
    return Processing(job_id=job.job_id, wait_seconds=wait_seconds, watch=watch)


def _task_request(job: Job, route: Route, *, creating: Creating) -> TaskRequest:
    request = job.request
    return TaskRequest(
        model=route.model,
        prompt=request.prompt,
        aspect_ratio=request.aspect_ratio,
        nsfw_checker=request.nsfw_checker,
        reference_urls=tuple(link_of(reference, objects=creating.objects) for reference in request.references),
    )
