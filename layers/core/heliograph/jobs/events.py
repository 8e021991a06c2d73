"""Published when a job is over; see events.py."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from heliograph.jobs.job import Job, JobStatus, Result, Settlement, Source, Timings
from heliograph.jobs.request import JobKind
from heliograph.jobs.result_order import SUPERSEDED_BY
from heliograph.kernel.event_envelope import USD_PATTERN, Envelope, Published
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.ids import derived_id
from heliograph.kernel.money import usd


class ObjectRef(Published):
    """An object in a bucket."""

    bucket: str
    key: str


class _JobEnded(Published):
    job_id: str
    tenant: str
    task: JobKind
    model: Annotated[str, Field(description="The model that was asked for.")]
    source: Source
    attempts: Annotated[int, Field(ge=0, description="How many create calls were made.")]
    created_at: AwareDatetime
    finished_at: AwareDatetime
    timings: Timings
    price_usd: Annotated[
        str | None,
        Field(description="What the job cost, as decimal USD; null where nobody can tell.", pattern=USD_PATTERN),
    ]
    metadata: Annotated[dict[str, str], Field(description="As the request gave it.")]
    tags: Annotated[tuple[str, ...], Field(description="As the request gave them.")] = ()
    retry_of: Annotated[str | None, Field(description="The job that this one was made to do again.")] = None
    superseded_by: Annotated[str | None, SUPERSEDED_BY] = None


class JobSucceededData(_JobEnded):
    """Every picture of the job lies in the results bucket, and its record under `records/`."""

    status: Literal["succeeded"] = "succeeded"
    provider: Annotated[str, Field(description="Which made the images.")]
    reused_from: Annotated[
        str | None,
        Field(description="The job whose results these are copies of: nothing was made and nothing paid for this one."),
    ] = None
    results: Annotated[tuple[Result, ...], Field(min_length=1)]
    record: ObjectRef


class JobFailedData(_JobEnded):
    """There is no picture, or not every one; `failure` says why, whether to retry, and whether it cost money.

    Where the provider keeps what could not be stored is for the job's owner alone: `GET /v1/jobs/{id}` says it.
    """

    status: Literal["failed"] = "failed"
    failure: Failure
    results: tuple[Result, ...] = ()


class JobExpiredData(_JobEnded):
    """The deadline passed, and nothing was charged."""

    status: Literal["expired"] = "expired"
    failure: Failure


class JobCanceledData(_JobEnded):
    """Its owner asked for that. What was running by then may have been charged; nothing was delivered."""

    status: Literal["canceled"] = "canceled"
    charged: Charged


class JobSettledData(Published):
    """A task of a job that is over, of which nobody could tell then whether it was charged: what it came to.

    `results` are the images that arrived late; without any, `message` says why. The job's status stays what it was.
    """

    job_id: str
    tenant: str
    task: JobKind
    model: Annotated[str, Field(description="The model that was asked for.")]
    source: Source
    status: Annotated[JobStatus, Field(description="The job's status: it has not changed.")]
    attempt_id: Annotated[str, Field(description="The create call that made the task.")]
    provider: str
    task_id: str
    created_at: AwareDatetime
    finished_at: Annotated[AwareDatetime, Field(description="When the job ended.")]
    settled_at: Annotated[AwareDatetime, Field(description="When this became known, and the images were stored.")]
    charged: Annotated[Charged, Field(description="Whether this task was charged: yes or no.")]
    price_usd: Annotated[str, Field(description="What this task cost, as decimal USD.", pattern=USD_PATTERN)]
    message: Annotated[str, Field(description="What the task came to, in words.")]
    results: tuple[Result, ...] = ()
    record: ObjectRef | None = None
    metadata: Annotated[dict[str, str], Field(description="As the request gave it.")]
    tags: Annotated[tuple[str, ...], Field(description="As the request gave them.")] = ()
    retry_of: Annotated[str | None, Field(description="The job that this one was made to do again.")] = None
    superseded_by: Annotated[str | None, SUPERSEDED_BY] = None


class JobSucceeded(Envelope):
    """`image.job.succeeded`"""

    event_type: ClassVar = "image.job.succeeded"
    data: JobSucceededData


class JobFailed(Envelope):
    """`image.job.failed`"""

    event_type: ClassVar = "image.job.failed"
    data: JobFailedData


class JobExpired(Envelope):
    """`image.job.expired`"""

    event_type: ClassVar = "image.job.expired"
    data: JobExpiredData


class JobCanceled(Envelope):
    """`image.job.canceled`"""

    event_type: ClassVar = "image.job.canceled"
    data: JobCanceledData


class JobSettled(Envelope):
    """`image.job.settled`"""

    event_type: ClassVar = "image.job.settled"
    data: JobSettledData


JobEnded = JobSucceeded | JobFailed | JobExpired | JobCanceled


def job_event(job: Job, *, results_bucket: str) -> JobEnded:
    """The one event of a job that is over: the same job gives the same event, whenever it is asked."""
    if job.finished_at is None:
        raise ValueError(f"{job.job_id} is not over")
    job = job.as_it_ended
    envelope: dict[str, Any] = {
        "event_id": derived_id("evt", job.job_id, job.status),
        "occurred_at": job.finished_at,
    }
    ended: dict[str, Any] = {
        "job_id": job.job_id,
        "tenant": job.tenant,
        "task": job.request.task,
        "model": job.request.model,
        "source": job.source,
        "attempts": len(job.attempts),
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "timings": job.timings(),
        "price_usd": job.price_usd,
        "metadata": job.request.metadata,
        "tags": job.request.tags,
        "retry_of": job.retry_of,
        "superseded_by": job.superseded_by,
    }
    if job.status is JobStatus.SUCCEEDED:
        record = ObjectRef(bucket=results_bucket, key=job.record_key)
        provider = job.attempt.provider if job.attempt else job.reused_provider or ""
        succeeded = JobSucceededData(
            **ended, provider=provider, reused_from=job.reused_from, results=job.results, record=record
        )
        return JobSucceeded(**envelope, data=succeeded)
    if job.status is JobStatus.CANCELED and job.charged:
        canceled = JobCanceledData(**ended, charged=job.charged)
        return JobCanceled(**envelope, data=canceled)
    if job.failure is None:
        raise ValueError(f"{job.job_id} is {job.status} without a reason")
    if job.status is JobStatus.EXPIRED:
        return JobExpired(**envelope, data=JobExpiredData(**ended, failure=job.failure))
    failed = JobFailedData(**ended, failure=job.failure, results=job.results)
    return JobFailed(**envelope, data=failed)


def settled_event(job: Job, settlement: Settlement, *, results_bucket: str) -> JobSettled:
    """The one event of a settlement: the same settlement gives the same event, whatever else became known since."""
    if job.finished_at is None:
        raise ValueError(f"{job.job_id} is not over")
    attempt = job.attempt_of(settlement.attempt_id)
    record_key = settlement.record_key
    data = JobSettledData(
        job_id=job.job_id,
        tenant=job.tenant,
        task=job.request.task,
        model=job.request.model,
        source=job.source,
        status=job.status,
        attempt_id=attempt.attempt_id,
        provider=attempt.provider,
        task_id=attempt.task_id or "",
        created_at=job.created_at,
        finished_at=job.finished_at,
        settled_at=settlement.at,
        charged=settlement.charged,
        price_usd=usd(attempt.price_microusd if settlement.charged is Charged.YES else 0),
        message=settlement.message,
        results=settlement.results,
        record=ObjectRef(bucket=results_bucket, key=record_key) if record_key else None,
        metadata=job.request.metadata,
        tags=job.request.tags,
        retry_of=job.retry_of,
        superseded_by=next((result.superseded_by for result in settlement.results if result.superseded_by), None),
    )
    event_id = derived_id("evt", job.job_id, "settled", settlement.attempt_id)
    return JobSettled(event_id=event_id, occurred_at=settlement.at, data=data)
