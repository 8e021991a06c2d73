"""The composition root: which adapter plays which role in which use case. Nothing else sees both.

Each function of this module makes one use case ready to call. A function of ours calls it once, at start, so that a
wrong deployment fails before any work. Each imports what it puts together, and this module nothing of it: whoever makes
one use case loads no other (tests/contract/test_cold_imports.py).

Models are built when they are first used (`defer_build`), because a function uses one in ten of those that it imports;
those that every call needs are built here, at start.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from heliograph.adapters import aws
from heliograph.adapters.clock import SystemClock
from heliograph.runtime.environment import ProviderSettings, read
from heliograph.runtime.observability import tell

if TYPE_CHECKING:
    from heliograph.adapters.dynamodb import DynamoDBJobStore
    from heliograph.adapters.dynamodb_deliveries import DynamoDBDeliveryStore
    from heliograph.adapters.dynamodb_endpoints import DynamoDBEndpointStore
    from heliograph.adapters.dynamodb_keys import DynamoDBKeyStore
    from heliograph.adapters.dynamodb_ledger import DynamoDBLedger
    from heliograph.adapters.s3 import S3ObjectStore
    from heliograph.adapters.step_functions import StepFunctionsDeliveryWorkflow, StepFunctionsWorkflow
    from heliograph.domain.deliveries import DeliverOutcome, Delivery, DeliveryCrashed, DeliveryTurn
    from heliograph.domain.jobs import Job
    from heliograph.domain.keys import ApiKey, Caller, KeyRequest
    from heliograph.domain.ledger import UsageLine
    from heliograph.domain.listing import Slice
    from heliograph.domain.metrics import Survey
    from heliograph.domain.outcomes import (
        CloseOutcome,
        DispatchOutcome,
        FinalizeInput,
        FinalizeOutcome,
        PollOutcome,
        Watch,
    )
    from heliograph.domain.requests import Rules
    from heliograph.domain.upload_events import UploadRejected
    from heliograph.domain.uploads import UploadForm
    from heliograph.domain.webhooks import Happening
    from heliograph.ports import EventBus, ImageProvider, JobStore
    from heliograph.runtime.control_room import ControlRoom
    from heliograph.runtime.pages import BucketOrigins, Page
    from heliograph.runtime.settings import Settings
    from heliograph.steps.finalize import Ending
    from heliograph.steps.hear_callback import Heard
    from heliograph.steps.make_images import Studio
    from heliograph.steps.manage_deliveries import DeliveryDesk
    from heliograph.steps.manage_endpoints import EndpointDesk
    from heliograph.steps.manage_keys import Allowance
    from heliograph.steps.read_job import JobView
    from heliograph.steps.read_models import Models
    from heliograph.steps.read_timeline import Timeline
    from heliograph.steps.submission import Submission
    from heliograph.steps.submit_request import Quote
    from heliograph.steps.submit_upload import Ignored, Upload
    from heliograph.steps.traffic import Control

# How many results of a job are copied at once, as far as all of them fit onto a function's disk.
_MOST_COPIES = 4
_DISK_BYTES = 500_000_000


def upload_submitter() -> Callable[[Upload], Submission | UploadRejected | Ignored]:
    """What `submit_upload` does with one announced object."""
    from heliograph.steps.submit_upload import submit_upload

    return partial(
        submit_upload,
        rules=_rules(),
        objects=_objects(),
        jobs=_jobs(),
        ledger=_ledger(),
        bus=_bus(),
        workflow=_workflow(),
        clock=SystemClock(),
        deadline=_settings().upload_deadline,
    )


def request_submitter() -> Callable[..., Submission | Quote]:
    """What `submit_request` does with `(body, idempotency_key=, request_id=, caller=)`."""
    from heliograph.steps.submit_request import submit_request

    return partial(
        submit_request,
        rules=_rules(),
        objects=_objects(),
        jobs=_jobs(),
        ledger=_ledger(),
        bus=_bus(),
        workflow=_workflow(),
        clock=SystemClock(),
        deadline=_settings().job_deadline,
    )


def job_retrier() -> Callable[..., Submission | None]:
    """What `submit_request` does with `(job_id, caller=)`."""
    from heliograph.steps.retry_job import retry_job

    return partial(
        retry_job,
        rules=_rules(),
        objects=_objects(),
        jobs=_jobs(),
        ledger=_ledger(),
        bus=_bus(),
        workflow=_workflow(),
        clock=SystemClock(),
    )


def end_awaiter() -> Callable[..., tuple[Job, ...]]:
    """What functions do with `(jobs, seconds=)` whose callers would rather wait."""
    from heliograph.steps.await_end import await_end

    return partial(await_end, jobs=_jobs(), clock=SystemClock(), sleep=time.sleep)


def job_canceler() -> Callable[..., Job | None]:
    """What `cancel` does with `(job_id, tenant=)`."""
    from heliograph.steps.cancel_job import cancel_job

    return partial(cancel_job, jobs=_jobs(), bus=_bus(), clock=SystemClock(), results_bucket=_settings().results_bucket)


def upload_creator() -> Callable[..., UploadForm]:
    """What `uploads` does with `(request, tenant=, call=)`."""
    from heliograph.steps.create_upload import create_upload

    return partial(create_upload, objects=_objects(), clock=SystemClock(), bucket=_settings().uploads_bucket)


def job_viewer() -> Callable[[Job], JobView]:
    """A job with links to its results."""
    from heliograph.steps.read_job import view_of

    return partial(view_of, objects=_objects(), clock=SystemClock())


def job_reader() -> Callable[..., JobView | None]:
    """What `api` does with `(job_id, tenant=)`."""
    from heliograph.steps.read_job import read_job

    return partial(read_job, jobs=_jobs(), objects=_objects(), clock=SystemClock())


def job_lister() -> Callable[..., Slice[JobView]]:
    """What `api` does with `(query, tenant=)`."""
    from heliograph.steps.read_job import list_jobs

    return partial(list_jobs, jobs=_jobs(), objects=_objects(), clock=SystemClock())


def timeline_reader() -> Callable[..., Timeline | None]:
    """What `api` does with `(job_id, tenant=)`, to tell what happened."""
    from heliograph.steps.read_timeline import read_timeline

    return partial(read_timeline, jobs=_jobs(), workflow=_workflow())


def model_reader() -> Callable[[], Models]:
    """What `api` tells of the routes."""
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.read_models import read_models

    states = DynamoDBRouteStates(aws.dynamodb(), _settings().routes_table)
    return partial(read_models, rules=_rules(), states=states, clock=SystemClock())


def usage_reader() -> Callable[..., tuple[UsageLine, ...]]:
    """What `api` does with `(query, caller=)`."""
    from heliograph.steps.read_usage import read_usage

    return partial(read_usage, ledger=_ledger(), clock=SystemClock())


def dispatcher() -> Callable[..., DispatchOutcome]:
    """What `dispatch` does with `(turn, run_id=)`."""
    from heliograph.steps.create_task import Creating
    from heliograph.steps.dispatch import dispatch

    creating = Creating(
        jobs=_jobs(),
        ledger=_ledger(),
        objects=_objects(),
        providers=_providers(),
        routes=_settings().usable_routes,
        control=_control(),
        callback_base=_settings().callback_base_url or None,
        new_token=partial(secrets.token_urlsafe, 32),
    )
    return partial(dispatch, creating=creating)


def poller() -> Callable[[str, Watch], PollOutcome]:
    """What `poll` does with a job id and the task it waits for."""
    from heliograph.steps.poll import poll

    return partial(poll, providers=_providers(), clock=SystemClock())


def finalizer() -> Callable[[FinalizeInput], FinalizeOutcome]:
    """What `finalize` does with the outcome of a task."""
    from heliograph.steps.finalize import finalize

    return partial(finalize, ending=_ending())


def closer() -> Callable[..., CloseOutcome]:
    """What `close` does with `(job_id, error, watch=)`."""
    from heliograph.steps import close as closing

    return partial(closing.close, providers=_providers(), ending=_ending())


def sweeper() -> Callable[..., list[str]]:
    """What `sweep` does with `(time_left=)`."""
    from heliograph.steps import close as closing
    from heliograph.steps.budgets import BudgetWatch

    return partial(
        closing.sweep,
        workflow=_workflow(),
        providers=_providers(),
        ending=_ending(),
        routes=tuple(_settings().usable_routes),
        control=_control(),
        budgets=BudgetWatch(tenants=_settings().tenancy, ledger=_ledger(), bus=_bus(), clock=SystemClock()),
    )


def surveyor() -> Callable[[], Survey]:
    """What `sweep` looks at when it is done."""
    from heliograph.steps.look_around import look_around

    return partial(look_around, jobs=_jobs(), routes=tuple(_settings().usable_routes), control=_control())


def callback_hearer() -> Callable[[str, str, str | None], Heard]:
    """What `callback` does with `(job_id, token, task_id)`."""
    from heliograph.adapters.task_tokens import TaskTokenWaits
    from heliograph.steps.hear_callback import Hearing, hear_callback

    waits = TaskTokenWaits(aws.dynamodb(), aws.step_functions(), _settings().only_here("waits_table"))
    hearing = Hearing(jobs=_jobs(), providers=_providers(), waits=waits, clock=SystemClock())
    return partial(hear_callback, hearing=hearing)


def control_room() -> ControlRoom:
    """For `operations`; no function of ours has it."""
    from heliograph.adapters.eventbridge import EventBridgeBus
    from heliograph.runtime.control_room import ControlRoom

    # A person's terminal is no log: what is done here is measured by nobody.
    control = _control(EventBridgeBus(aws.events(), _settings().event_bus))
    return ControlRoom(_settings().usable_routes, control, _job_store(), _ledger(), _settings().job_retention)


def recogniser() -> Callable[[str], Caller | None]:
    """What `authorize` does with a key. The deployment's own is read anew at most once a minute."""
    from heliograph.adapters.secrets import read_secret
    from heliograph.steps.manage_keys import recognise

    own_key = partial(read_secret, _settings().only_here("api_key_secret"))
    keys = _keys()
    return lambda key: recognise(key, own_key=own_key(), keys=keys, clock=SystemClock())


def call_counter() -> Callable[[Caller], Allowance | None]:
    """What the API's functions do with every caller, before anything else."""
    from heliograph.steps.manage_keys import count_call

    return partial(count_call, keys=_keys(), clock=SystemClock())


def image_studio() -> Studio:
    """What `images` makes pictures with."""
    from heliograph.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.steps.make_images import Studio

    return Studio(
        submit=request_submitter(),
        await_end=end_awaiter(),
        view=job_viewer(),
        rules=_rules(),
        objects=_objects(),
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), _settings().only_here("keys_table")),
        clock=SystemClock(),
    )


def key_maker() -> Callable[[KeyRequest], tuple[str, ApiKey]]:
    """What `keys` does with a request for a key."""
    from heliograph.steps.manage_keys import create_key

    return partial(create_key, keys=_keys(), clock=SystemClock(), new_secret=partial(secrets.token_urlsafe, 32))


def key_lister() -> Callable[[], Iterator[ApiKey]]:
    """Every key."""
    return _keys().every


def key_revoker() -> Callable[[str], ApiKey | None]:
    """What `keys` does with the id of a key."""
    from heliograph.steps.manage_keys import revoke_key

    return partial(revoke_key, keys=_keys(), clock=SystemClock())


def notifier() -> Callable[[Happening], list[Delivery]]:
    """What `notify` does with an event of the bus."""
    from heliograph.steps.notify import Notifying, notify

    notifying = Notifying(
        jobs=_jobs(),
        endpoints=_endpoints(),
        deliveries=_deliveries(),
        workflow=_delivery_workflow(),
        clock=SystemClock(),
    )
    return partial(notify, notifying=notifying)


def deliverer() -> Callable[[DeliveryTurn | DeliveryCrashed], DeliverOutcome]:
    """What `deliver` does with a turn, or with an execution that ended early."""
    from heliograph.adapters.webhook_sender import HttpWebhookSender
    from heliograph.steps.deliver import Delivering, deliver

    delivering = Delivering(
        deliveries=_deliveries(),
        endpoints=_endpoints(),
        sender=HttpWebhookSender(local=_settings().has_local_webhooks),
        bus=_bus(),
        clock=SystemClock(),
        master=_webhook_secret(),
    )
    return partial(deliver, delivering=delivering)


def endpoint_desk() -> EndpointDesk:
    """What `webhooks` does."""
    from heliograph.steps.manage_endpoints import EndpointDesk

    return EndpointDesk(
        endpoints=_endpoints(), clock=SystemClock(), master=_webhook_secret(), local=_settings().has_local_webhooks
    )


def delivery_desk() -> DeliveryDesk:
    """What `deliveries` does."""
    from heliograph.steps.manage_deliveries import DeliveryDesk

    return DeliveryDesk(
        deliveries=_deliveries(), endpoints=_endpoints(), workflow=_delivery_workflow(), clock=SystemClock()
    )


def api_pages() -> dict[str, Page]:
    """What `pages` tells of the API of this deployment."""
    from heliograph.runtime.openapi.pages import description_pages

    settings = _settings()
    return description_pages(
        settings.usable_routes, local_webhooks=settings.has_local_webhooks, images_url=settings.images_url
    )


def bucket_origins() -> BucketOrigins:
    """What `pages` lets a browser reach besides the API. Worked out here, without a call."""
    from heliograph.runtime.pages import BucketOrigins

    settings, objects = _settings(), _objects()
    return BucketOrigins(
        uploads=objects.origin_of_links(settings.uploads_bucket),
        results=objects.origin_of_links(settings.results_bucket),
    )


@cache
def _settings() -> Settings:
    from heliograph.runtime.settings import read_settings

    return read_settings()


def _rules() -> Rules:
    from heliograph.domain.requests import JobRequest, Rules

    JobRequest.model_rebuild()
    settings = _settings()
    return Rules(
        settings.usable_routes,
        settings.reference_buckets,
        settings.uploads_bucket,
        settings.default_policy,
        local_webhooks=settings.has_local_webhooks,
    )


def _jobs() -> JobStore:
    from heliograph.runtime.watched import WatchedJobStore

    return WatchedJobStore(_job_store(), tell)


def _job_store() -> DynamoDBJobStore:
    from heliograph.adapters.dynamodb import DynamoDBJobStore
    from heliograph.domain.jobs import Job

    Job.model_rebuild()
    settings = _settings()
    return DynamoDBJobStore(
        aws.dynamodb(),
        settings.jobs_table,
        ledger_table=settings.ledger_table,
        routes_table=settings.routes_table,
        tenants=settings.tenancy,
        routes=settings.usable_routes,
        retention=settings.job_retention,
    )


def _keys() -> DynamoDBKeyStore:
    from heliograph.adapters.dynamodb_keys import DynamoDBKeyStore

    return DynamoDBKeyStore(aws.dynamodb(), _settings().only_here("keys_table"))


def _ledger() -> DynamoDBLedger:
    from heliograph.adapters.dynamodb_ledger import DynamoDBLedger

    return DynamoDBLedger(aws.dynamodb(), _settings().ledger_table)


def _control(bus: EventBus | None = None) -> Control:
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.traffic import Control

    return Control(
        states=DynamoDBRouteStates(aws.dynamodb(), _settings().routes_table),
        bus=bus or _bus(),
        clock=SystemClock(),
        weights=_settings().tenancy.weight,
    )


def _objects() -> S3ObjectStore:
    from heliograph.adapters.s3 import S3ObjectStore

    return S3ObjectStore(aws.s3())


def _bus() -> EventBus:
    from heliograph.adapters.eventbridge import EventBridgeBus
    from heliograph.runtime.watched import WatchedBus

    return WatchedBus(EventBridgeBus(aws.events(), _settings().event_bus), tell)


def _workflow() -> StepFunctionsWorkflow:
    from heliograph.adapters.step_functions import StepFunctionsWorkflow

    return StepFunctionsWorkflow(aws.step_functions(), _settings().only_here("state_machine_arn"))


def _endpoints() -> DynamoDBEndpointStore:
    from heliograph.adapters.dynamodb_endpoints import DynamoDBEndpointStore

    return DynamoDBEndpointStore(aws.dynamodb(), _settings().only_here("endpoints_table"))


def _deliveries() -> DynamoDBDeliveryStore:
    from heliograph.adapters.dynamodb_deliveries import DynamoDBDeliveryStore

    return DynamoDBDeliveryStore(aws.dynamodb(), _settings().only_here("deliveries_table"))


def _delivery_workflow() -> StepFunctionsDeliveryWorkflow:
    from heliograph.adapters.step_functions import StepFunctionsDeliveryWorkflow

    return StepFunctionsDeliveryWorkflow(aws.step_functions(), _settings().only_here("delivery_machine_arn"))


def _webhook_secret() -> Callable[[], str]:
    from heliograph.adapters.secrets import read_secret

    return partial(read_secret, _settings().only_here("webhook_secret"))


@cache
def _providers() -> Mapping[str, ImageProvider]:
    from heliograph.adapters.apimodels import ApiModels
    from heliograph.adapters.secrets import read_secret

    settings = read(ProviderSettings)
    made: dict[str, ImageProvider] = {
        "apimodels": ApiModels(settings.upstream_base_url, partial(read_secret, settings.upstream_key_secret))
    }
    if settings.kie_key_secret:
        from heliograph.adapters.kie import Kie

        made["kie"] = Kie(settings.kie_base_url, partial(read_secret, settings.kie_key_secret))
    return made


def _ending() -> Ending:
    from heliograph.adapters.result_host import ResultHost
    from heliograph.adapters.threads import Threads
    from heliograph.steps.finalize import Ending

    settings = _settings()
    return Ending(
        jobs=_jobs(),
        objects=_objects(),
        source=ResultHost(settings.result_origins, max_bytes=settings.max_result_bytes),
        together=Threads(max(1, min(_MOST_COPIES, _DISK_BYTES // settings.max_result_bytes))),
        bus=_bus(),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
        routes=settings.usable_routes,
        control=_control(),
    )
