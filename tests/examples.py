"""Jobs, events and states as they really come to be: made by the domain's own moves, at fixed times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.execution.outcomes import (
    Canceled,
    Crashed,
    DispatchInput,
    Expired,
    Failed,
    Finished,
    NotYet,
    Orphaned,
    Over,
    Processing,
    RetryFinalize,
    Watch,
)
from heliograph.jobs.job import Job, JobStatus, Source
from heliograph.jobs.request import JobRequest
from heliograph.jobs.results import Result, Settlement
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import Fault
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.kernel.media_types import MediaType
from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import SLOT, Ticket
from heliograph.routes.poll_schedule import Latencies, epoch_ms, poll_times
from heliograph.webhooks.event_catalogue import (
    EVENT_SOURCE,
    PublishedEvent,
    budget_exhausted,
    budget_warning,
    endpoint_disabled,
    event_type,
    job_event,
    preset_rejected,
    preset_stopped,
    route_switched,
    settled_event,
    upload_rejected,
)

UPLOADS_BUCKET = "heliograph-uploads"
RESULTS_BUCKET = "heliograph-results"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROUTE = Route(provider="apimodels", model="gpt-image-2-beta", price_usd="0.06", max_references=16)
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
# The time of every test: the task of these examples is running, and nothing is late.
NOW = START + timedelta(seconds=30)
UPLOAD_KEY = "uploads/white-background/shoe.jpg"
UPLOAD_VERSION = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
RESULT_VERSION = "jJ3r0pD8mXlQK7eVtHc.u1bWzYfN5sA4"
JOB_ID = derived_id("job", "upload", UPLOADS_BUCKET, UPLOAD_KEY, UPLOAD_VERSION)
ATTEMPT_ID = derived_id("att", JOB_ID, "1")
RUN_ID = "52fdfc07-2182-454f-963f-5f0f9a621d72"
TASK_ID = "clx4v2m8p0001"
RESULT_URL = "https://r2.apimodels.app/images/clx4v2m8p0001.jpeg"

BLOCKED = Failure(
    code=FailureCode.CONTENT_BLOCKED,
    message="the provider's task failed: Content policy violation (CONTENT_MODERATION)",
    retryable=False,
    charged=Charged.NO,
)
LATE = Failure(
    code=FailureCode.PROVIDER_TIMEOUT,
    message="the job's deadline passed before an image could be made; nothing was charged",
    retryable=True,
    charged=Charged.NO,
)
TIMED_OUT = Failure(
    code=FailureCode.PROVIDER_TIMEOUT,
    message=f"task {TASK_ID} was still running at the job's deadline",
    retryable=False,
    charged=Charged.UNKNOWN,
)


def after(seconds: float) -> datetime:
    """That long after the job came."""
    return START + timedelta(seconds=seconds)


def queued_job(job_id: str = JOB_ID, **changes: Any) -> Job:
    """An upload's job, just written down."""
    job = Job(
        job_id=job_id,
        tenant="default",
        request=JobRequest(
            model=ROUTE.model,
            prompt="Put the product on a pure white background.",
            references=(f"s3://{UPLOADS_BUCKET}/{UPLOAD_KEY}?versionId={UPLOAD_VERSION}",),
            aspect_ratio=AspectRatio.SQUARE,
            metadata={"sku": "A-1041"},
        ),
        source=Source(
            kind="upload",
            bucket=UPLOADS_BUCKET,
            key=UPLOAD_KEY,
            version_id=UPLOAD_VERSION,
            preset="white-background",
            preset_version="Xq1wZkUuVfJ2b7o9mR5tNc8yE3sLhA0d",
        ),
        output_key_template="{preset}/{name}/{job_id}/{index}.{ext}",
        output_stem="shoe",
        created_at=START,
        deadline_at=after(1200),
    )
    return job.model_copy(update=changes)


def attempting_job(job_id: str = JOB_ID) -> Job:
    """With the intent of a call, which may be on its way."""
    return queued_job(job_id).attempting(derived_id("att", job_id, "1"), RUN_ID, ROUTE, after(1.2))


def orphaned_job(job_id: str = JOB_ID) -> Job:
    """With a task at the provider's, and no workflow any more."""
    return processing_job(job_id).as_orphaned(after(60))


def processing_job(job_id: str = JOB_ID) -> Job:
    """With a task at the provider's."""
    attempt_id = derived_id("att", job_id, "1")
    return attempting_job(job_id).accepted(attempt_id, TASK_ID, after(2.5))


def succeeded_job() -> Job:
    """With its picture stored."""
    job = processing_job()
    return job.succeeded([picture_of(job)], after(31.4))


def picture_of(job: Job) -> Result:
    """Its one picture."""
    return Result(
        bucket=RESULTS_BUCKET,
        key=job.output_keys.result_key(1, MediaType.JPEG),
        version_id=RESULT_VERSION,
        content_type=MediaType.JPEG,
        size_bytes=1_482_113,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        width=1024,
        height=1024,
    )


def timed_out_job() -> Job:
    """Over, while its task still ran."""
    return processing_job().failed(TIMED_OUT, after(1206))


def settled_job() -> Job:
    """Its image came an hour after its deadline."""
    job = timed_out_job()
    return job.settled(
        Settlement(
            attempt_id=ATTEMPT_ID,
            at=after(4810),
            charged=Charged.YES,
            message=f"task {TASK_ID} was finished after the job had ended, and was delivered",
            results=(picture_of(job),),
            record_key=job.record_key,
        )
    )


def failed_job() -> Job:
    """Refused by the provider's filter."""
    return processing_job().failed(BLOCKED, after(24.9))


def canceled_job() -> Job:
    """Its owner did not want it any more; its task could not be stopped."""
    return processing_job().with_cancel_requested(after(20)).canceled(after(40), provider_urls=[RESULT_URL])


def expired_job() -> Job:
    """Never begun."""
    return queued_job().expired(LATE, after(1201))


def rejected_preset() -> PublishedEvent:
    """The preset of the same, when it arrived."""
    fault = Fault("/aspect_ratio", "must be one of auto, 1:1, 2:3, 3:2, 3:4, 4:3, 4:5, 5:4, 9:16, 16:9, 21:9")
    return preset_rejected(
        bucket=UPLOADS_BUCKET,
        key="presets/white-background.json",
        version=UPLOAD_VERSION,
        version_id=UPLOAD_VERSION,
        preset="white-background",
        failure=Failure(
            code=FailureCode.INVALID_INPUT,
            message=f"{fault.pointer}: {fault.detail}",
            retryable=False,
            charged=Charged.NO,
        ),
        faults=(fault,),
        at=after(0.4),
    )


def rejected_upload() -> PublishedEvent:
    """A preset that asks for what cannot be."""
    fault = Fault("/aspect_ratio", "must be one of auto, 1:1, 2:3, 3:2, 3:4, 4:3, 4:5, 5:4, 9:16, 16:9, 21:9")
    return upload_rejected(
        bucket=UPLOADS_BUCKET,
        key=UPLOAD_KEY,
        version=UPLOAD_VERSION,
        version_id=UPLOAD_VERSION,
        preset="white-background",
        failure=Failure(
            code=FailureCode.INVALID_INPUT,
            message=f"with the preset white-background, {fault.pointer}: {fault.detail}",
            retryable=False,
            charged=Charged.NO,
        ),
        faults=(fault,),
        at=after(0.8),
    )


def stopped_preset() -> PublishedEvent:
    """One whose results were copied back."""
    return preset_stopped(
        preset="white-background",
        bucket=UPLOADS_BUCKET,
        preset_key="presets/white-background.json",
        preset_version="9f86d081884c7d659a2feaa0c55ad015",
        upload_key="uploads/white-background/shoe-21.jpg",
        jobs=21,
        most=20,
        at=after(1200),
    )


def exhausted_budget() -> PublishedEvent:
    """Of a shop's day."""
    booked = Booking(reserved=180_000, spent=24_720_000, unknown=60_000)
    return budget_exhausted(BudgetAccount("shop", "2026-11-22"), booked, limit_microusd=25_000_000, at=after(3600))


def nearly_exhausted_budget() -> PublishedEvent:
    """Of the same day, earlier."""
    booked = Booking(reserved=240_000, spent=19_740_000, unknown=60_000)
    at = after(1800)
    return budget_warning(BudgetAccount("shop", "2026-11-22"), booked, threshold=80, limit_microusd=25_000_000, at=at)


def disabled_endpoint() -> PublishedEvent:
    """One that has failed for five days."""
    return endpoint_disabled(
        tenant="shop",
        endpoint_id=derived_id("ep", "shop", "endpoint", RUN_ID),
        reason="failing",
        failing_since=after(4.2),
        at=after(5 * 24 * 3600 + 1800),
    )


def switched_route(breaker: Breaker) -> PublishedEvent:
    """The last change of its circuit."""
    event = route_switched(ROUTE, breaker)
    assert event
    return event


def opened_route() -> Breaker:
    """After five failures in a row."""
    breaker = Breaker()
    for number in range(5):
        breaker = breaker.after_failure(
            "the provider failed with 503: Service temporarily unavailable", after(number), began_at=after(number)
        )
    return breaker


def published_examples() -> dict[str, PublishedEvent]:
    """One event of each type, by its type."""
    events = [
        *(
            job_event(job, results_bucket=RESULTS_BUCKET)
            for job in (succeeded_job(), failed_job(), expired_job(), canceled_job())
        ),
        settled_event(settled_job(), settled_job().settlements[0], results_bucket=RESULTS_BUCKET),
        rejected_upload(),
        stopped_preset(),
        rejected_preset(),
        nearly_exhausted_budget(),
        exhausted_budget(),
        switched_route(opened_route()),
        switched_route(opened_route().after_success(after(36.4), began_at=after(36.4))),
        disabled_endpoint(),
    ]
    return {event_type(event): event for event in events}


def arriving(event: PublishedEvent) -> dict[str, Any]:
    """The event as a target of a rule receives it: EventBridge's envelope around ours."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": event_type(event),
        "source": EVENT_SOURCE,
        "account": ACCOUNT,
        "time": event.occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [],
        "detail": json.loads(event.model_dump_json()),
    }


WATCH = Watch(
    attempt_id=ATTEMPT_ID,
    provider=ROUTE.provider,
    model=ROUTE.model,
    task_id=TASK_ID,
    deadline_at=after(1200),
    began_at=after(0),
    poll_at_seconds=poll_times(Latencies(), has_callback=True),
    callbacks_left=5,
    asked_at_ms=epoch_ms(after(0)),
)

State = (
    DispatchInput
    | NotYet
    | Processing
    | Finished
    | RetryFinalize
    | Failed
    | Expired
    | Canceled
    | Over
    | Orphaned
    | Crashed
)


def state_examples() -> dict[str, State]:
    """What the workflow passes, by outcome; `turn` is its input."""
    return {
        "turn": DispatchInput(job_id=JOB_ID),
        "not_yet": NotYet(
            job_id=JOB_ID,
            wait_seconds=4,
            reason=f"the job is queued for {ROUTE.name}",
            ticket=Ticket(route=ROUTE.name, finish_tag=12 * SLOT),
        ),
        "processing": Processing(job_id=JOB_ID, wait_seconds=17, watch=WATCH),
        "finished": Finished(job_id=JOB_ID, watch=WATCH.model_copy(update={"polls": 4}), result_urls=(RESULT_URL,)),
        "again": RetryFinalize(
            job_id=JOB_ID,
            watch=WATCH,
            result_urls=(RESULT_URL,),
            store_attempts=1,
            wait_seconds=2,
            reason="its host said 404",
        ),
        "failed": Failed(job_id=JOB_ID, failure=BLOCKED),
        "expired": Expired(job_id=JOB_ID),
        "canceled": Canceled(job_id=JOB_ID),
        "over": Over(job_id=JOB_ID, status=JobStatus.SUCCEEDED),
        "orphaned": Orphaned(job_id=JOB_ID),
        "crashed": Crashed(job_id=JOB_ID, error="poll_task: States.Timeout", watch=WATCH),
    }
