"""Find out what a task came to whose job ended without anybody knowing, and deliver what was paid, however late.

A job may end while a task of it runs on: its deadline passed, its workflow crashed, or the create call's answer was
lost. Such an attempt stays in doubt. `sweep` polls its task for a day after the job's end, with growing gaps, and again
whenever the provider's callback comes. What it finds is written down as a `Settlement`; the job's end stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from heliograph.execution.finalize import Ending, copied, write_record
from heliograph.jobs.job import Attempt, Job, JobStatus, Result, Settlement
from heliograph.jobs.publish_end import announce_settlements
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.kernel.failures import Charged
from heliograph.providers.protocol import Completed, NoAnswer, TaskFailed, TaskState

if TYPE_CHECKING:
    from heliograph.providers.ports import ImageProvider


def settle(job: Job, *, providers: Mapping[str, ImageProvider], ending: Ending) -> Job:
    """Polls each task in doubt of a job that is over, once; delivers its images and corrects what it cost.

    The order makes a repeat harmless: the images, the job's record, the job together with the ledger, the event. What
    is settled is never looked at again. Raises `StaleJob` or an `Unavailable` where a later run may do better.
    """
    now = ending.clock.now()
    # Noted before it is begun: should this run die of it, the next look comes later.
    job = ending.jobs.save(job.looking_late(now))
    for attempt in job.in_doubt:
        if attempt.task_id and (settlement := _settlement(job, attempt, providers=providers, ending=ending)):
            settled = job.settled(settlement)
            if settlement.results:
                write_record(settled, ending=ending)
            job = ending.jobs.save(settled.looked_late(now))
    if (looked := job.looked_late(now)) != job:
        job = ending.jobs.save(looked)
    return announce_settlements(job, jobs=ending.jobs, bus=ending.bus, results_bucket=ending.results_bucket)


def ask(attempt: Attempt, task_id: str, providers: Mapping[str, ImageProvider]) -> TaskState:
    """How the attempt's task is, by its provider."""
    provider = providers.get(attempt.provider)
    return provider.poll(task_id) if provider else NoAnswer(f"{attempt.provider} is configured no more")


def _settlement(
    job: Job, attempt: Attempt, *, providers: Mapping[str, ImageProvider], ending: Ending
) -> Settlement | None:
    """What the task came to; `None` if that is still not known, or its images can't be had yet."""
    match ask(attempt, attempt.task_id or "", providers):
        case Completed(result_urls) if job.status is JobStatus.CANCELED:
            # Its owner wants no image any more: as for any canceled job, it stays at the provider's.
            message = f"task {attempt.task_id} was finished and charged after the job was canceled; it was not stored"
            return _charged(attempt, message, provider_urls=result_urls, ending=ending)
        case Completed(result_urls):
            return _delivery(job, attempt, result_urls, ending=ending)
        case TaskFailed(failure) if failure.charged is Charged.NO:
            message = f"task {attempt.task_id} failed after the job had ended: {failure.message}"
            return Settlement(attempt_id=attempt.attempt_id, at=ending.clock.now(), charged=Charged.NO, message=message)
        case _:
            return None


def _delivery(job: Job, attempt: Attempt, result_urls: tuple[str, ...], *, ending: Ending) -> Settlement | None:
    first = len(job.all_results) + 1
    copies = ending.together(
        [
            partial(copied, job, attempt, job.output_keys, index, url, ending=ending)
            for index, url in enumerate(result_urls, start=first)
        ]
    )
    results = tuple(copy for copy in copies if isinstance(copy, Result))
    unusable = [copy for copy in copies if not isinstance(copy, Result)]
    is_last = job.late_since is None or ending.clock.now() >= job.late_since + GIVE_UP
    if not is_last and any(error.again or error.host_failed for error in unusable):
        return None
    record_key = job.record_key if results else None
    if unusable:
        reason = "; ".join(str(error) for error in unusable)
        message = f"task {attempt.task_id} was finished after the job had ended, but {reason}"
        return _charged(
            attempt, message, results=results, record_key=record_key, provider_urls=result_urls, ending=ending
        )
    message = f"task {attempt.task_id} was finished after the job had ended, and was delivered"
    return _charged(attempt, message, results=results, record_key=record_key, ending=ending)


def _charged(
    attempt: Attempt,
    message: str,
    *,
    ending: Ending,
    results: tuple[Result, ...] = (),
    record_key: str | None = None,
    provider_urls: tuple[str, ...] = (),
) -> Settlement:
    return Settlement(
        attempt_id=attempt.attempt_id,
        at=ending.clock.now(),
        charged=Charged.YES,
        message=message,
        results=results,
        record_key=record_key,
        provider_urls=provider_urls,
    )
