"""Examples of responses and messages, made by the domain's own methods at a fixed time, for one invented shop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from heliograph.access.keys import ApiKey, KeyRequest
from heliograph.api.openapi.messages import message_example
from heliograph.api.problems import Problem
from heliograph.api.representations.jobs import (
    JobList,
    JobResource,
    JobSummaryResource,
    QuoteResource,
    TimelineResource,
)
from heliograph.api.representations.keys import KeyList, KeyResource, NewKeyResource, RevokedKeyResource
from heliograph.api.representations.me import MeResource
from heliograph.api.representations.models import ModelsResource, UsageReport
from heliograph.api.representations.uploads import RejectedUploadList, UploadResource
from heliograph.api.representations.webhooks import (
    DeliveryList,
    DeliveryResource,
    EndpointList,
    EndpointResource,
    NewEndpointResource,
    RecoveryResource,
    SecretResource,
)
from heliograph.budgets.ledger import Booking, Usage, UsageLine
from heliograph.budgets.limits import limits_on
from heliograph.budgets.read_me import BudgetLeft, Me
from heliograph.intake.list_models import Models
from heliograph.intake.quote_job import Quote
from heliograph.intake.rejections import Rejection
from heliograph.jobs.job import Job, Result, Source
from heliograph.jobs.read_jobs import JobView, LinkedResult
from heliograph.jobs.read_timeline import Timeline
from heliograph.jobs.reference_uploads import UploadForm
from heliograph.jobs.request import JobRequest
from heliograph.jobs.timeline import StateVisit, timeline
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import Fault
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.pagination import Page, Records
from heliograph.kernel.tenants import Tenant, Tenants
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route
from heliograph.storage.layout import default_output_key
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import Delivery, DeliveryAttempt, message_body
from heliograph.webhooks.endpoint import ROTATION_OVERLAP, TEST_EVENT, Endpoint, signing_secret
from heliograph.webhooks.event_catalogue import UploadRejected, upload_rejected
from heliograph.webhooks.manage_endpoints import Secret

REQUEST_ID = "52fdfc07-2182-454f-963f-5f0f9a621d72"
_NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_ROUTE = Route(provider="apimodels", model="gpt-image-2-beta", price_usd="0.06", max_references=16)
_JOB_ID = derived_id("job", "example")
_UPLOADS = "heliograph-uploadsbucket-1a2b3c"
_RESULTS = "heliograph-resultsbucket-1a2b3c"
_VERSION = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
_FAULT = Fault("/aspect_ratio", "must be one of 1:1, 16:9")
_UPLOAD_ID = f"{derived_id('up', 'example')}.jpg"
_ENDPOINT_ID = derived_id("ep", "example")
_KEY = f"hg_{'EXAMPLE' * 6}A"


def _after(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


@cache
def _queued() -> Job:
    return Job(
        job_id=_JOB_ID,
        tenant="shop",
        request=JobRequest(
            model=_ROUTE.model,
            policy="beta-first",
            prompt="A fox in the snow",
            aspect_ratio=AspectRatio.LANDSCAPE_16_9,
            metadata={"order": "4711"},
            tags=("winter",),
        ),
        source=Source(kind="api"),
        output_key=default_output_key(None),
        output_stem=_JOB_ID,
        quote_microusd=_ROUTE.price_microusd,
        created_at=_NOON,
        deadline_at=_after(1200),
    )


def _processing() -> Job:
    attempt_id = derived_id("att", _JOB_ID, "1")
    asked = _queued().attempting(attempt_id, REQUEST_ID, _ROUTE, _after(0.8))
    return asked.accepted(attempt_id, "clx4v2m8p0001", _after(2.1))


@cache
def _succeeded() -> Job:
    made = _processing()
    picture = Result(
        bucket=_RESULTS,
        key=made.output_place.result_key(1, MediaType.JPEG),
        version_id="jJ3r0pD8mXlQK7eVtHc.u1bWzYfN5sA4",
        content_type=MediaType.JPEG,
        size_bytes=1_482_113,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        width=1820,
        height=1024,
    )
    return made.succeeded([picture], _after(31.4))


def queued_job() -> JobResource:
    """Just accepted."""
    return JobResource.of(JobView(_queued(), ()))


def named_job() -> JobSummaryResource:
    """For a key without `jobs:read`."""
    return JobSummaryResource.of(_queued())


def succeeded_job() -> JobResource:
    """With its picture."""
    job = _succeeded()
    links = (
        LinkedResult(result, f"https://{_RESULTS}.s3.amazonaws.com/{result.key}?X-Amz-Signature=…", _after(960))
        for result in job.results
    )
    return JobResource.of(JobView(job, tuple(links)))


def canceled_job() -> JobResource:
    """Before anything of it was asked for."""
    return JobResource.of(JobView(_queued().canceled(_after(3)), ()))


def retried_job() -> JobResource:
    """The job that does a failed one again."""
    again = derived_id("job", "retry", _JOB_ID)
    return JobResource.of(JobView(_queued().model_copy(update={"job_id": again, "retry_of": _JOB_ID}), ()))


def jobs() -> JobList:
    """A list of one."""
    return JobList(data=(succeeded_job(),))


def quote() -> QuoteResource:
    """Of the same job."""
    return QuoteResource.of(Quote(_queued().request, {_ROUTE: Circuit.CLOSED}, left_microusd=21_400_000))


def job_timeline() -> TimelineResource:
    """Of the same job."""
    stays = (
        StateVisit("WaitToPoll", _after(2.3), _after(29), "processing", None),
        StateVisit("PollTask", _after(29), _after(29.4), "finished", None),
        StateVisit("FinalizeJob", _after(29.4), _after(31.4), "over", None),
    )
    return TimelineResource.of(Timeline(timeline(_succeeded(), stays), complete=True))


def _rejected_upload() -> UploadRejected:
    return upload_rejected(
        bucket=_UPLOADS,
        key="uploads/white-background/shoe.jpg",
        version=_VERSION,
        version_id=_VERSION,
        preset="white-background",
        failure=Failure(
            code=FailureCode.INVALID_INPUT,
            message=f"with the preset white-background, {_FAULT.pointer}: {_FAULT.detail}",
            retryable=False,
            charged=Charged.NO,
        ),
        faults=(_FAULT,),
        at=_after(0.8),
    )


def rejected_uploads() -> RejectedUploadList:
    """One that its preset rejects."""
    return RejectedUploadList.of(Page((Rejection.of(_rejected_upload(), tenant="default"),), None))


def upload() -> UploadResource:
    """A form for one JPEG."""
    fields = {
        "Content-Type": "image/jpeg",
        "key": f"pending/references/{_UPLOAD_ID}",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "…",
        "x-amz-date": "20261122T120000Z",
        "x-amz-security-token": "…",
        "policy": "…",
        "x-amz-signature": "…",
    }
    url = "https://heliograph-uploadsbucket-1a2b3c.s3.amazonaws.com/"
    return UploadResource.of(UploadForm(_UPLOAD_ID, url, fields, _after(900)))


def models() -> ModelsResource:
    """One route, in service."""
    return ModelsResource.of(Models({_ROUTE: Circuit.CLOSED}, _ROUTE))


def usages() -> UsageReport:
    """A day's pictures."""
    line = UsageLine("2026-11-22", "shop", _ROUTE.name, Usage(pictures=41, spent=2_460_000))
    return UsageReport.of([line], _budgets())


def _budgets() -> tuple[BudgetLeft, ...]:
    booked = Booking(reserved=180_000, spent=2_460_000, unknown=60_000)
    limits = limits_on(_key().caller(), Tenants(named={"shop": Tenant(monthly_budget_usd="400")}), _NOON)
    return tuple(BudgetLeft(limit, booked, limit.period.renews_at(_NOON)) for limit in limits)


def me() -> MeResource:
    """A key with a daily budget, of a tenant with a monthly one."""
    caller = _key().caller().model_copy(update={"requests_per_minute": 600})
    return MeResource.of(Me(caller, _key(), _budgets(), spending_paused=False))


@cache
def _key() -> ApiKey:
    return ApiKey.of(_KEY, KeyRequest(name="web shop", tenant="shop", daily_budget_usd="25"), _NOON)


def new_key() -> NewKeyResource:
    """With the key itself."""
    return NewKeyResource.made(_KEY, _key())


def revoked_key() -> KeyResource:
    """Opens nothing any more."""
    return KeyResource.of(_key().model_copy(update={"last_used_at": _after(60), "revoked_at": _after(86_400)}))


def changed_key() -> KeyResource:
    """With a higher budget, and an end."""
    changed = {"daily_budget_usd": "50", "expires_at": datetime(2126, 12, 31, tzinfo=UTC)}
    return KeyResource.of(_key().model_copy(update={**changed, "last_used_at": _after(60)}))


def revoked_with_made() -> RevokedKeyResource:
    """With the one that it made."""
    revoked = {"revoked_at": _after(86_400)}
    made = _key().model_copy(update={**revoked, "made_by": _key().key_id, "name": "made by it"})
    return RevokedKeyResource.revoked(_key().model_copy(update=revoked), (made,))


def keys() -> KeyList:
    """A list of one."""
    return KeyList.of(Records((_key(),)))


def messages(published: Path) -> dict[str, Mapping[str, Any]]:
    """One of each type as a webhook brings it, and a test. `published`: the folder with examples of events."""
    arrived = (json.loads(file.read_text(encoding="utf-8")) for file in sorted(published.glob("*.json")))
    events = {event["detail-type"]: event["detail"] for event in arrived if "detail" in event}
    return {**{name: message_example(name, detail) for name, detail in events.items()}, TEST_EVENT: _test_message()}


@cache
def _endpoint() -> Endpoint:
    return Endpoint(
        endpoint_id=_ENDPOINT_ID,
        tenant="shop",
        url="https://shop.example.com/heliograph",
        events=("image.job.failed", "image.job.succeeded"),
        created_at=_NOON,
    )


def endpoint() -> EndpointResource:
    """In service."""
    return EndpointResource.of(_endpoint())


def new_endpoint() -> NewEndpointResource:
    """With its secret."""
    return NewEndpointResource.with_secret(_endpoint(), _secret())


def endpoints() -> EndpointList:
    """A list of one."""
    return EndpointList.of(Records((_endpoint(),)))


def _secret(version: int = 1) -> Secret:
    secret = signing_secret("an example", _ENDPOINT_ID, version)
    return Secret(_ENDPOINT_ID, secret, version, _after(ROTATION_OVERLAP.total_seconds()) if version > 1 else None)


def secret() -> SecretResource:
    """The first one."""
    return SecretResource.of(_secret())


def rotated_secret() -> SecretResource:
    """The second one, while the first still signs."""
    return SecretResource.of(_secret(2))


def _happening() -> ReceivedEvent:
    data = {"tenant": "shop", "endpoint_id": _ENDPOINT_ID}
    event_id = derived_id("evt", _ENDPOINT_ID, "test")
    return ReceivedEvent(type=TEST_EVENT, version="1", event_id=event_id, occurred_at="2026-11-22T12:00:00Z", data=data)


def _test_message() -> Mapping[str, Any]:
    message: Mapping[str, Any] = json.loads(message_body(_happening()))
    return message


def _delivery() -> Delivery:
    return Delivery.for_event(
        _happening(),
        tenant="shop",
        receiver_id=_ENDPOINT_ID,
        endpoint_id=_ENDPOINT_ID,
        url="https://shop.example.com/heliograph",
        skipped=False,
        at=_NOON,
    )


def test_delivery() -> DeliveryResource:
    """Just begun."""
    return DeliveryResource.whole(_delivery())


def delivery() -> DeliveryResource:
    """Taken at once."""
    attempt = DeliveryAttempt(at=_after(0.4), status_code=204, error=None, duration_ms=87)
    delivered = _delivery().after_attempt(attempt, url="https://shop.example.com/heliograph", retry_after=None)
    return DeliveryResource.whole(delivered)


def recovered() -> RecoveryResource:
    """Three deliveries, and none left."""
    return RecoveryResource(recovered=3, has_more=False, since=_NOON - timedelta(hours=2))


def deliveries() -> DeliveryList:
    """A list of one."""
    return DeliveryList.of(Page((_delivery(),), None))


def problem_document(problem: Problem) -> dict[str, object]:
    """The problem as a document."""
    return problem.document(REQUEST_ID)
