"""The published contract: what goes onto the event bus, for rules and webhooks alike.

`source` is `heliograph`, `detail-type` the event's type, `detail` an envelope around `data`. Delivery is at least once
and in no order; `event_id` is derived from what happened, so a repeat is recognisable. Fields are only ever added
within a version. Schemas and examples: `events/published/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from heliograph.domain.breaker import FIRST_COOLDOWN, Breaker
from heliograph.domain.errors import Fault
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.identity import derived_id
from heliograph.domain.jobs import Job, JobStatus, Result, Source, Timings
from heliograph.domain.ledger import Booking, Page
from heliograph.domain.money import usd
from heliograph.domain.requests import Task
from heliograph.domain.routes import Route

EVENT_SOURCE = "heliograph"


_USD = r"^\d+\.\d{2,6}$"


class _Published(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class ObjectRef(_Published):
    """An object in a bucket."""

    bucket: str
    key: str


class _JobEnded(_Published):
    job_id: str
    tenant: str
    task: Task
    model: Annotated[str, Field(description="The model that was asked for.")]
    source: Source
    attempts: Annotated[int, Field(ge=0, description="How many create calls were made.")]
    created_at: AwareDatetime
    finished_at: AwareDatetime
    timings: Timings
    price_usd: Annotated[
        str | None,
        Field(description="What the job cost, as decimal USD; null where nobody can tell.", pattern=_USD),
    ]
    metadata: Annotated[dict[str, str], Field(description="As the request gave it.")]
    tags: Annotated[tuple[str, ...], Field(description="As the request gave them.")] = ()
    retry_of: Annotated[str | None, Field(description="The job that this one was made to do again.")] = None


class JobSucceededData(_JobEnded):
    """Every picture of the job lies in the results bucket, with its record beside it."""

    status: Literal["succeeded"] = "succeeded"
    provider: str
    results: Annotated[tuple[Result, ...], Field(min_length=1)]
    record: ObjectRef


class JobFailedData(_JobEnded):
    """There is no picture, or not every one; `failure` says why, whether to retry, and whether it cost money."""

    status: Literal["failed"] = "failed"
    failure: Failure
    results: tuple[Result, ...] = ()
    provider_urls: Annotated[
        tuple[str, ...], Field(description="Where the provider keeps pictures that could not be stored, for some days.")
    ] = ()


class JobExpiredData(_JobEnded):
    """The deadline passed, and nothing was charged."""

    status: Literal["expired"] = "expired"
    failure: Failure


class JobCanceledData(_JobEnded):
    """Its owner asked for that. What was running by then may have been charged; nothing was delivered."""

    status: Literal["canceled"] = "canceled"
    charged: Charged
    provider_urls: Annotated[
        tuple[str, ...],
        Field(description="Where the provider keeps pictures that were paid all the same, for a while."),
    ] = ()


class UploadFault(_Published):
    """One fault of an upload or its preset: a JSON pointer into the request it amounts to, and what is wrong."""

    pointer: str
    detail: str


class UploadRejectedData(_Published):
    """An upload started no job. It stays where it is; mend the fault and upload again."""

    bucket: str
    key: str
    version_id: str | None
    preset: str | None
    failure: Failure
    errors: tuple[UploadFault, ...] = ()


class BudgetExhaustedData(_Published):
    """A job was refused because what it may cost does not fit any more; so may others be, until the period is over."""

    account: Annotated[str, Field(description="The tenant, the id of an API key, or * for all together.")]
    period: Annotated[str, Field(description="The UTC day or month.", pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    limit_usd: Annotated[str, Field(pattern=_USD)]
    reserved_usd: Annotated[str, Field(description="For jobs that are not over.", pattern=_USD)]
    spent_usd: Annotated[str, Field(pattern=_USD)]
    unknown_usd: Annotated[str, Field(description="May have been charged; nobody can tell.", pattern=_USD)]


class _RouteSwitched(_Published):
    route: str
    provider: str
    model: str


class RouteOpenedData(_RouteSwitched):
    """A route takes no calls: it kept failing, or a person holds it open."""

    opened_at: AwareDatetime
    cause: Annotated[str, Field(description="The failure that opened it, or what a person gave as the reason.")]
    probed_from: Annotated[
        AwareDatetime | None, Field(description="When it is first tried again; null: when a person closes it.")
    ]


class RouteClosedData(_RouteSwitched):
    """A route takes calls again."""

    closed_at: AwareDatetime


class EndpointDisabledData(_Published):
    """Nothing is sent to a webhook endpoint any more, until a person enables it; what is skipped can be replayed."""

    tenant: str
    endpoint_id: str
    reason: Annotated[
        Literal["gone", "failing"],
        Field(description="gone: it answered 410; failing: for five days, every attempt failed."),
    ]
    failing_since: AwareDatetime | None
    disabled_at: AwareDatetime


class _Envelope(_Published):
    version: Literal["1"] = "1"
    event_id: Annotated[str, Field(pattern=r"^evt_[a-z2-7]{26}$")]
    occurred_at: AwareDatetime


class JobSucceeded(_Envelope):
    """`image.job.succeeded`"""

    data: JobSucceededData


class JobFailed(_Envelope):
    """`image.job.failed`"""

    data: JobFailedData


class JobExpired(_Envelope):
    """`image.job.expired`"""

    data: JobExpiredData


class JobCanceled(_Envelope):
    """`image.job.canceled`"""

    data: JobCanceledData


class UploadRejected(_Envelope):
    """`image.upload.rejected`"""

    data: UploadRejectedData


class BudgetExhausted(_Envelope):
    """`image.budget.exhausted`: once for each account and period."""

    data: BudgetExhaustedData


class RouteOpened(_Envelope):
    """`image.route.opened`"""

    data: RouteOpenedData


class RouteClosed(_Envelope):
    """`image.route.closed`"""

    data: RouteClosedData


class EndpointDisabled(_Envelope):
    """`webhook.endpoint.disabled`"""

    data: EndpointDisabledData


JobEnded = JobSucceeded | JobFailed | JobExpired | JobCanceled
PublishedEvent = JobEnded | UploadRejected | BudgetExhausted | RouteOpened | RouteClosed | EndpointDisabled

EVENT_TYPES: Mapping[str, type[PublishedEvent]] = {
    "image.job.succeeded": JobSucceeded,
    "image.job.failed": JobFailed,
    "image.job.expired": JobExpired,
    "image.job.canceled": JobCanceled,
    "image.upload.rejected": UploadRejected,
    "image.budget.exhausted": BudgetExhausted,
    "image.route.opened": RouteOpened,
    "image.route.closed": RouteClosed,
    "webhook.endpoint.disabled": EndpointDisabled,
}


def event_type(event: PublishedEvent) -> str:
    """The `detail-type` of an event."""
    return next(name for name, model in EVENT_TYPES.items() if type(event) is model)


def job_event(job: Job, *, results_bucket: str) -> JobEnded:
    """The one event of a job that is over: the same job gives the same event, whenever it is asked."""
    if job.finished_at is None:
        raise ValueError(f"{job.job_id} is not over")
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
    }
    if job.status is JobStatus.SUCCEEDED and job.attempt:
        record = ObjectRef(bucket=results_bucket, key=job.output_place.record_key())
        succeeded = JobSucceededData(**ended, provider=job.attempt.provider, results=job.results, record=record)
        return JobSucceeded(**envelope, data=succeeded)
    if job.status is JobStatus.CANCELED and job.charged:
        canceled = JobCanceledData(**ended, charged=job.charged, provider_urls=job.provider_urls)
        return JobCanceled(**envelope, data=canceled)
    if job.failure is None:
        raise ValueError(f"{job.job_id} is {job.status} without a reason")
    if job.status is JobStatus.EXPIRED:
        return JobExpired(**envelope, data=JobExpiredData(**ended, failure=job.failure))
    failed = JobFailedData(**ended, failure=job.failure, results=job.results, provider_urls=job.provider_urls)
    return JobFailed(**envelope, data=failed)


def upload_rejected(
    *,
    bucket: str,
    key: str,
    version: str,
    version_id: str | None,
    preset: str | None,
    failure: Failure,
    faults: tuple[Fault, ...],
    at: datetime,
) -> UploadRejected:
    """The event of an upload that can't become a job. `version` identifies the very upload, in any kind of bucket."""
    return UploadRejected(
        event_id=derived_id("evt", bucket, key, version, "rejected"),
        occurred_at=at,
        data=UploadRejectedData(
            bucket=bucket,
            key=key,
            version_id=version_id,
            preset=preset,
            failure=failure,
            errors=tuple(UploadFault(pointer=fault.pointer, detail=fault.detail) for fault in faults),
        ),
    )


def budget_exhausted(page: Page, booked: Booking, *, limit_microusd: int, at: datetime) -> BudgetExhausted:
    """The one event of a budget that is used up."""
    return BudgetExhausted(
        event_id=derived_id("evt", "budget", *page),
        occurred_at=at,
        data=BudgetExhaustedData(
            account=page.account,
            period=page.period,
            limit_usd=usd(limit_microusd),
            reserved_usd=usd(booked.reserved),
            spent_usd=usd(booked.spent),
            unknown_usd=usd(booked.unknown),
        ),
    )


def route_switched(route: Route, breaker: Breaker) -> RouteOpened | RouteClosed | None:
    """The event of the last change of a route's circuit; `None` if there was none yet."""
    names = {"route": route.name, "provider": route.provider, "model": route.model}
    if opening := breaker.opening:
        # The first cooldown: what later probes bring does not change the event.
        probed_from = opening.at + FIRST_COOLDOWN if opening.until else None
        opened = RouteOpenedData(**names, opened_at=opening.at, cause=opening.cause, probed_from=probed_from)
        event_id = derived_id("evt", "route", route.name, "opened", opening.at.isoformat())
        return RouteOpened(event_id=event_id, occurred_at=opening.at, data=opened)
    if breaker.closed_at:
        event_id = derived_id("evt", "route", route.name, "closed", breaker.closed_at.isoformat())
        closed = RouteClosedData(**names, closed_at=breaker.closed_at)
        return RouteClosed(event_id=event_id, occurred_at=breaker.closed_at, data=closed)
    return None


def endpoint_disabled(
    *, tenant: str, endpoint_id: str, reason: Literal["gone", "failing"], failing_since: datetime | None, at: datetime
) -> EndpointDisabled:
    """The one event of a webhook endpoint that was disabled at that moment."""
    return EndpointDisabled(
        event_id=derived_id("evt", endpoint_id, "disabled", at.isoformat()),
        occurred_at=at,
        data=EndpointDisabledData(
            tenant=tenant, endpoint_id=endpoint_id, reason=reason, failing_since=failing_since, disabled_at=at
        ),
    )


__all__ = [
    "EVENT_SOURCE",
    "EVENT_TYPES",
    "BudgetExhausted",
    "EndpointDisabled",
    "FailureCode",
    "JobCanceled",
    "JobExpired",
    "JobFailed",
    "JobSucceeded",
    "PublishedEvent",
    "RouteClosed",
    "RouteOpened",
    "UploadRejected",
    "budget_exhausted",
    "endpoint_disabled",
    "event_type",
    "job_event",
    "route_switched",
    "upload_rejected",
]
