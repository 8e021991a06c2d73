"""Tidy up after a workflow that ended without ending its job: aborted, timed out, crashed, or never begun."""

from __future__ import annotations

from collections.abc import Mapping

from heliograph.domain.errors import StaleJob, Unavailable
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.jobs import Attempt, Job, JobStatus
from heliograph.domain.outcomes import DeliverAgain, Failed, Finished, Over, Watch
from heliograph.domain.provider import Completed, NoAnswer, StillRunning, TaskFailed
from heliograph.ports import ImageProvider, Workflow
from heliograph.steps.finalize import Ending, announce, fail, finalize


def close(job_id: str, error: str, *, providers: Mapping[str, ImageProvider], ending: Ending) -> Over:
    """Ends the job in exactly one terminal state. A task that is paid is asked for first: its picture is delivered.

    `error` is why the workflow ended, in its own words. Running it twice, or for a job that is over, changes nothing.
    """
    job = ending.jobs.get(job_id)
    if job is None:
        return Over(job_id=job_id, status=JobStatus.FAILED)
    if job.is_over:
        return announce(job, ending=ending)
    attempt = job.attempt
    if attempt is None or not attempt.is_open:
        return fail(job, _crashed(error, Charged.NO), ending=ending)
    if attempt.task_id is None:
        return fail(job, _crashed(f"{error}, while a create call was on its way", Charged.UNKNOWN), ending=ending)
    match providers[attempt.provider].ask(attempt.task_id):
        case Completed(result_urls):
            return _deliver_now(job, attempt, attempt.task_id, result_urls, ending=ending)
        case TaskFailed(failure):
            return fail(job, failure, ending=ending)
        case StillRunning() | NoAnswer():
            running = f"{error}, while task {attempt.task_id} was running"
            return fail(job, _crashed(running, Charged.UNKNOWN), ending=ending)


def sweep(*, workflow: Workflow, providers: Mapping[str, ImageProvider], ending: Ending, limit: int = 100) -> list[str]:
    """Looks after every job that should have moved by now: starts what never started, closes what is stuck.

    Returns what was done, one entry per job that needed anything, for the log. The last net under all others: a start
    that failed after the job was written, a status event that was lost.
    """
    now = ending.clock.now()
    done = []
    for job in ending.jobs.needing_attention(now, limit=limit):
        try:
            if now >= job.deadline_at:
                over = close(job.job_id, "it never ended the job", providers=providers, ending=ending)
                done.append(f"closed {job.job_id} as {over.status}")
            elif workflow.start(job.job_id):
                done.append(f"started {job.job_id}")
        except (Unavailable, StaleJob) as error:
            # One that can't be helped now must not keep the others waiting: the next sweep sees it again.
            done.append(f"left {job.job_id}: {error}")
    return done


def _deliver_now(job: Job, attempt: Attempt, task_id: str, result_urls: tuple[str, ...], *, ending: Ending) -> Over:
    watch = Watch(
        attempt_id=attempt.attempt_id,
        provider=attempt.provider,
        model=attempt.model,
        task_id=task_id,
        deadline_at=job.deadline_at,
    )
    outcome: Finished | DeliverAgain | Failed | Over = Finished(job_id=job.job_id, watch=watch, result_urls=result_urls)
    # No workflow is left to wait between tries; their number is bounded.
    while not isinstance(outcome, Over):
        outcome = finalize(outcome, ending=ending)
    return outcome


def _crashed(error: str, charged: Charged) -> Failure:
    return Failure(
        code=FailureCode.INTERNAL,
        message=f"the workflow ended early: {error}",
        retryable=True,
        charged=charged,
    )
