"""The composition root: which adapter plays which role in which use case. Nothing else sees both.

Each function of this module makes one use case ready to call, with the settings that it is given. A function of ours
reads its settings and calls it once, at start, so that a wrong deployment fails before any work. Each imports what it
puts together, and this module nothing of it: whoever makes one use case loads no other
(tests/contract/test_cold_imports.py).

Models are built when they are first used (`defer_build`), because a function uses one in ten of those that it imports;
those that every call needs are built here, at start.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from heliograph.adapters import aws
from heliograph.adapters.clock import SystemClock
from heliograph.runtime.environment import read_settings
from heliograph.runtime.observability import tell

if TYPE_CHECKING:
    from heliograph.adapters.delivery_workflow import StepFunctionsDeliveryWorkflow
    from heliograph.adapters.dynamodb import DynamoDBJobReader, DynamoDBJobStore
    from heliograph.adapters.dynamodb_deliveries import DynamoDBDeliveryStore
    from heliograph.adapters.dynamodb_endpoints import DynamoDBEndpointStore
    from heliograph.adapters.dynamodb_key_uses import DynamoDBKeyUses
    from heliograph.adapters.dynamodb_keys import DynamoDBKeyStore
    from heliograph.adapters.dynamodb_ledger import DynamoDBLedger
    from heliograph.adapters.dynamodb_rejections import DynamoDBRejectionStore
    from heliograph.adapters.s3 import S3ObjectStore
    from heliograph.adapters.step_functions import StepFunctionsWorkflow
    from heliograph.domain.deliveries import DeliverOutcome, Delivery, DeliveryCrashed, DeliveryTurn
    from heliograph.domain.jobs import Job
    from heliograph.domain.keys import Caller
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
    from heliograph.domain.preset_events import PresetRejected
    from heliograph.domain.rejections import Rejection
    from heliograph.domain.requests import Rules
    from heliograph.domain.upload_events import UploadRejected
    from heliograph.domain.uploads import UploadForm
    from heliograph.domain.webhooks import Happening
    from heliograph.ports import EventBus, ImageProvider, JobStore, ReuseIndex
    from heliograph.runtime.control_room import ControlRoom
    from heliograph.runtime.pages import BucketOrigins, Page
    from heliograph.runtime.settings.api import ApiSettings
    from heliograph.runtime.settings.api_keys import CallsTableSettings, KeysTableSettings, RecogniserSettings
    from heliograph.runtime.settings.callback import CallbackSettings
    from heliograph.runtime.settings.cancel import CancelSettings
    from heliograph.runtime.settings.close import CloseSettings
    from heliograph.runtime.settings.deliver import DeliverSettings
    from heliograph.runtime.settings.deliveries import DeliveriesSettings
    from heliograph.runtime.settings.dispatch import DispatchSettings
    from heliograph.runtime.settings.ending import EndingSettings
    from heliograph.runtime.settings.endpoints import EndpointsSettings
    from heliograph.runtime.settings.images import ImagesSettings
    from heliograph.runtime.settings.jobs import JobStoreSettings, PublishedJobsSettings
    from heliograph.runtime.settings.models import ModelsSettings
    from heliograph.runtime.settings.notify import NotifySettings
    from heliograph.runtime.settings.pages import PagesSettings
    from heliograph.runtime.settings.providers import ProviderSettings
    from heliograph.runtime.settings.submission import RequestSubmissionSettings, SubmissionSettings
    from heliograph.runtime.settings.submit_request import SubmitRequestSettings
    from heliograph.runtime.settings.submit_upload import SubmitUploadSettings
    from heliograph.runtime.settings.sweep import SweepSettings
    from heliograph.runtime.settings.sweep_deliveries import SweepDeliveriesSettings
    from heliograph.runtime.settings.uploads import UploadsSettings
    from heliograph.runtime.settings.waits import WaitsSettings
    from heliograph.steps.finalize import Ending
    from heliograph.steps.hear_callback import Heard
    from heliograph.steps.join_call import EqualCalls
    from heliograph.steps.linked_images import ImageLinks
    from heliograph.steps.make_images import Studio
    from heliograph.steps.manage_deliveries import DeliveryDesk
    from heliograph.steps.manage_endpoints import EndpointDesk
    from heliograph.steps.manage_keys import Allowance, KeyDesk
    from heliograph.steps.open_waits import WaitCap
    from heliograph.steps.quote_job import Quote
    from heliograph.steps.read_job import JobView
    from heliograph.steps.read_me import MeReader
    from heliograph.steps.read_models import Models
    from heliograph.steps.read_timeline import Timeline
    from heliograph.steps.submission import Submission
    from heliograph.steps.submit_upload import Ignored, Upload
    from heliograph.steps.traffic import Control

# How many results of a job are copied at once, as far as all of them fit onto a function's disk.
_MOST_COPIES = 4
_DISK_BYTES = 500_000_000


def upload_submitter(
    settings: SubmitUploadSettings,
) -> Callable[[Upload], Submission | UploadRejected | PresetRejected | Ignored]:
    """What `submit_upload` does with one announced object."""
    from heliograph.steps.submit_upload import submit_upload

    return partial(
        submit_upload,
        rules=_rules(settings),
        objects=_objects(),
        jobs=_jobs(settings),
        ledger=_ledger(settings.ledger_table),
        index=_reuse_index(settings.reuse_table, settings),
        rejections=_rejections(settings.rejections_table),
        bus=_bus(settings.event_bus),
        workflow=_workflow(settings.state_machine_arn),
        clock=SystemClock(),
        deadline=settings.upload_deadline,
    )


def request_submitter(
    settings: RequestSubmissionSettings, *, reuse_table: str | None = None, with_quotes: bool = False
) -> Callable[..., Submission | Quote]:
    """What `submit_request` does with `(body, idempotency_key=, request_id=, caller=)`.

    `reuse_table`: for those whose callers can ask for reuse; `with_quotes`: for dry runs.
    """
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.quote_job import Quoting
    from heliograph.steps.submit_request import submit_request

    ledger = _ledger(settings.ledger_table)
    states = DynamoDBRouteStates(aws.dynamodb(), settings.routes_table)
    quoting = Quoting(tenants=settings.tenancy, ledger=ledger, states=states, clock=SystemClock())
    return partial(
        submit_request,
        quoting=quoting if with_quotes else None,
        rules=_rules(settings),
        objects=_objects(),
        jobs=_jobs(settings),
        ledger=_ledger(settings.ledger_table),
        index=_reuse_index(reuse_table, settings) if reuse_table else None,
        bus=_bus(settings.event_bus),
        workflow=_workflow(settings.state_machine_arn),
        clock=SystemClock(),
        deadline=settings.job_deadline,
    )


def equal_calls(settings: SubmitRequestSettings) -> EqualCalls:
    """What `submit_request` finds the call by that one repeats."""
    from heliograph.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.steps.join_call import EqualCalls

    return EqualCalls(
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        rules=_rules(settings),
        clock=SystemClock(),
    )


def job_retrier(settings: SubmissionSettings) -> Callable[..., Submission | None]:
    """What `submit_request` does with `(job_id, caller=)`."""
    from heliograph.steps.retry_job import retry_job

    return partial(
        retry_job,
        rules=_rules(settings),
        objects=_objects(),
        jobs=_jobs(settings),
        ledger=_ledger(settings.ledger_table),
        bus=_bus(settings.event_bus),
        workflow=_workflow(settings.state_machine_arn),
        clock=SystemClock(),
    )


def end_awaiter(settings: RequestSubmissionSettings) -> Callable[..., tuple[Job, ...]]:
    """What functions do with `(jobs, seconds=)` whose callers would rather wait."""
    from heliograph.steps.await_end import await_end

    return partial(await_end, jobs=_job_reader(settings.jobs_table), clock=SystemClock(), sleep=time.sleep)


def job_canceler(settings: CancelSettings) -> Callable[..., Job | None]:
    """What `cancel` does with `(job_id, tenant=)`."""
    from heliograph.steps.cancel_job import cancel_job

    return partial(
        cancel_job,
        jobs=_jobs(settings),
        bus=_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
    )


def upload_creator(settings: UploadsSettings) -> Callable[..., UploadForm]:
    """What `uploads` does with `(request, tenant=, call=)`."""
    from heliograph.steps.create_upload import create_upload

    return partial(create_upload, objects=_objects(), clock=SystemClock(), bucket=settings.uploads_bucket)


def rejection_lister(settings: UploadsSettings) -> Callable[..., Slice[Rejection]]:
    """What `uploads` does with `(query, tenant=)`."""
    from heliograph.steps.list_rejections import list_rejections

    return partial(list_rejections, rejections=_rejections(settings.rejections_table))


def job_viewer() -> Callable[[Job], JobView]:
    """A job with links to its results."""
    from heliograph.steps.read_job import view_of

    return partial(view_of, objects=_objects(), clock=SystemClock())


def job_reader(settings: ApiSettings) -> Callable[..., JobView | None]:
    """What `api` does with `(job_id, tenant=)`."""
    from heliograph.steps.read_job import read_job

    return partial(read_job, jobs=_job_reader(settings.jobs_table), objects=_objects(), clock=SystemClock())


def job_lister(settings: ApiSettings) -> Callable[..., Slice[JobView]]:
    """What `api` does with `(query, tenant=)`."""
    from heliograph.steps.read_job import list_jobs

    return partial(list_jobs, jobs=_job_reader(settings.jobs_table), objects=_objects(), clock=SystemClock())


def timeline_reader(settings: ApiSettings) -> Callable[..., Timeline | None]:
    """What `api` does with `(job_id, tenant=)`, to tell what happened."""
    from heliograph.steps.read_timeline import read_timeline

    return partial(read_timeline, jobs=_job_reader(settings.jobs_table), workflow=_workflow(settings.state_machine_arn))


def model_reader(settings: ModelsSettings) -> Callable[[], Models]:
    """What `api` tells of the routes."""
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.read_models import read_models

    states = DynamoDBRouteStates(aws.dynamodb(), settings.routes_table)
    return partial(
        read_models,
        routes=settings.usable_routes,
        policy=settings.default_policy,
        states=states,
        clock=SystemClock(),
    )


def usage_reader(settings: ModelsSettings) -> Callable[..., tuple[UsageLine, ...]]:
    """What `api` does with `(query, caller=)`."""
    from heliograph.steps.read_usage import read_usage

    return partial(read_usage, ledger=_ledger(settings.ledger_table), clock=SystemClock())


def me_reader(settings: ModelsSettings) -> MeReader:
    """What `models` tells callers of their own keys."""
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.read_me import MeReader

    return MeReader(
        tenants=settings.tenancy,
        ledger=_ledger(settings.ledger_table),
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        keys=_keys(settings.keys_table),
        clock=SystemClock(),
    )


def dispatcher(settings: DispatchSettings) -> Callable[..., DispatchOutcome]:
    """What `dispatch` does with `(turn, run_id=)`."""
    from heliograph.adapters.link_trial import HttpLinkTrial
    from heliograph.steps.create_task import Creating
    from heliograph.steps.dispatch import dispatch
    from heliograph.steps.reuse import Reusing

    jobs, objects, control = _jobs(settings), _objects(), _control(settings)
    creating = Creating(
        jobs=jobs,
        ledger=_ledger(settings.ledger_table),
        objects=objects,
        links=HttpLinkTrial(),
        providers=_providers(settings),
        routes=settings.usable_routes,
        control=control,
        callback_base=settings.callback_base_url,
        new_token=partial(secrets.token_urlsafe, 32),
        reusing=Reusing(
            index=_reuse_index(settings.reuse_table, settings),
            jobs=jobs,
            objects=objects,
            bus=control.bus,
            clock=SystemClock(),
            results_bucket=settings.results_bucket,
        ),
    )
    return partial(dispatch, creating=creating)


def poller(settings: ProviderSettings) -> Callable[[str, Watch], PollOutcome]:
    """What `poll` does with a job id and the task it waits for."""
    from heliograph.steps.poll import poll

    return partial(poll, providers=_providers(settings), clock=SystemClock())


def finalizer(settings: EndingSettings) -> Callable[[FinalizeInput], FinalizeOutcome]:
    """What `finalize` does with the outcome of a task."""
    from heliograph.steps.finalize import finalize

    return partial(finalize, ending=_ending(settings))


def closer(settings: CloseSettings) -> Callable[..., CloseOutcome]:
    """What `close` does with `(job_id, error, watch=)`."""
    from heliograph.steps import close as closing

    return partial(closing.close, providers=_providers(settings), ending=_ending(settings))


def sweeper(settings: SweepSettings) -> Callable[..., list[str]]:
    """What `sweep` does with `(time_left=)`."""
    from heliograph.steps import close as closing
    from heliograph.steps.budgets import BudgetWatch

    return partial(
        closing.sweep,
        workflow=_workflow(settings.state_machine_arn),
        providers=_providers(settings),
        ending=_ending(settings),
        routes=tuple(settings.usable_routes),
        control=_control(settings),
        budgets=BudgetWatch(
            tenants=settings.tenancy,
            ledger=_ledger(settings.ledger_table),
            bus=_bus(settings.event_bus),
            clock=SystemClock(),
        ),
    )


def delivery_sweeper(settings: SweepDeliveriesSettings) -> Callable[[], list[str]]:
    """What `sweep_deliveries` does."""
    from heliograph.steps.lost_deliveries import carry_on

    return partial(
        carry_on,
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def surveyor(settings: SweepSettings) -> Callable[[], Survey]:
    """What `sweep` looks at when it is done."""
    from heliograph.steps.look_around import look_around

    return partial(
        look_around,
        jobs=_job_reader(settings.jobs_table),
        routes=tuple(settings.usable_routes),
        control=_control(settings),
    )


def callback_hearer(settings: CallbackSettings) -> Callable[[str, str, str | None], Heard]:
    """What `callback` does with `(job_id, token, task_id)`."""
    from heliograph.adapters.task_tokens import TaskTokenWaits
    from heliograph.steps.hear_callback import Hearing, hear_callback

    waits = TaskTokenWaits(aws.dynamodb(), aws.step_functions(), settings.waits_table)
    hearing = Hearing(jobs=_jobs(settings), providers=_providers(settings), waits=waits, clock=SystemClock())
    return partial(hear_callback, hearing=hearing)


def control_room() -> ControlRoom:
    """For `operations`, with the settings that are in its environment; no function of ours has it."""
    from heliograph.adapters.eventbridge import EventBridgeBus
    from heliograph.runtime.control_room import ControlRoom
    from heliograph.runtime.settings.operations import OperationsSettings

    settings = read_settings(OperationsSettings)
    # A person's terminal is no log: what is done here is measured by nobody.
    control = _control(settings, EventBridgeBus(aws.events(), settings.event_bus))
    ledger = _ledger(settings.ledger_table)
    return ControlRoom(settings.usable_routes, control, _job_store(settings), ledger, settings.job_retention)


def recogniser(settings: RecogniserSettings) -> Callable[[str], Caller | None]:
    """What `authorize` does with a key. The deployment's own is read anew at most once a minute."""
    from heliograph.adapters.secrets import read_secret
    from heliograph.steps.manage_keys import KeyBook

    return KeyBook(
        own_key=partial(read_secret, settings.api_key_secret),
        keys=_keys(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        requests_per_minute=settings.calls_per_minute or None,
    ).recognise


def caller_again(settings: KeysTableSettings) -> Callable[[Caller], Caller]:
    """What the API's functions do before a privileged act: the gateway remembers for a minute what a key opens."""
    from heliograph.steps.manage_keys import look_up_again

    return partial(look_up_again, keys=_keys(settings.keys_table), clock=SystemClock())


def call_counter(settings: CallsTableSettings) -> Callable[..., Allowance | None]:
    """What the API's functions do with every caller, before anything else."""
    from heliograph.steps.manage_keys import count_call

    return partial(count_call, uses=_key_uses(settings.calls_table), clock=SystemClock())


def image_studio(settings: ImagesSettings) -> Studio:
    """What `images` makes pictures with."""
    from heliograph.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.steps.budgets import check_budgets
    from heliograph.steps.make_images import Studio

    return Studio(
        submit=request_submitter(settings),
        await_end=end_awaiter(settings),
        view=job_viewer(),
        check_budgets=partial(
            check_budgets,
            tenants=settings.tenancy,
            ledger=_ledger(settings.ledger_table),
            bus=_bus(settings.event_bus),
            clock=SystemClock(),
        ),
        rules=_rules(settings),
        aliases=settings.model_aliases,
        objects=_objects(),
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        wait_cap=wait_cap(settings, settings.calls_table),
        clock=SystemClock(),
    )


def image_links(settings: ImagesSettings) -> ImageLinks:
    """What `images` makes links with, and follows them by."""
    from heliograph.adapters.secrets import read_secret
    from heliograph.steps.linked_images import ImageLinks

    return ImageLinks(
        jobs=_job_reader(settings.jobs_table),
        objects=_objects(),
        clock=SystemClock(),
        secret=partial(read_secret, settings.api_key_secret),
    )


def wait_cap(settings: WaitsSettings, table: str) -> WaitCap:
    """What keeps the calls of one key that wait from being too many. `table`: where they are counted."""
    from heliograph.adapters.dynamodb_open_waits import DynamoDBOpenWaits
    from heliograph.steps.open_waits import WaitCap

    return WaitCap(waits=DynamoDBOpenWaits(aws.dynamodb(), table), clock=SystemClock(), most=settings.waits_per_caller)


def key_desk(settings: KeysTableSettings | None = None) -> KeyDesk:
    """What `keys` does; `operations` too, with the settings that are in its environment."""
    from heliograph.runtime.settings.api_keys import KeysTableSettings
    from heliograph.steps.manage_keys import KeyDesk

    settings = settings or read_settings(KeysTableSettings)
    return KeyDesk(
        keys=_keys(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        new_secret=partial(secrets.token_urlsafe, 32),
    )


def notifier(settings: NotifySettings) -> Callable[[Happening], list[Delivery]]:
    """What `notify` does with an event of the bus."""
    from heliograph.steps.notify import Notifying, notify

    notifying = Notifying(
        jobs=_job_reader(settings.jobs_table),
        endpoints=_endpoints(settings.endpoints_table),
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )
    return partial(notify, notifying=notifying)


def deliverer(settings: DeliverSettings) -> Callable[[DeliveryTurn | DeliveryCrashed], DeliverOutcome]:
    """What `deliver` does with a turn, or with an execution that ended early."""
    from heliograph.adapters.webhook_sender import HttpWebhookSender
    from heliograph.steps.deliver import Delivering, deliver

    delivering = Delivering(
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        sender=HttpWebhookSender(local=settings.local_webhooks),
        bus=_bus(settings.event_bus),
        clock=SystemClock(),
        master=_webhook_secret(settings.webhook_secret),
    )
    return partial(deliver, delivering=delivering)


def endpoint_desk(settings: EndpointsSettings) -> EndpointDesk:
    """What `webhooks` does."""
    from heliograph.steps.manage_endpoints import EndpointDesk

    return EndpointDesk(
        endpoints=_endpoints(settings.endpoints_table),
        clock=SystemClock(),
        master=_webhook_secret(settings.webhook_secret),
        local=settings.local_webhooks,
    )


def delivery_desk(settings: DeliveriesSettings) -> DeliveryDesk:
    """What `deliveries` does."""
    from heliograph.adapters.dynamodb_pace import DynamoDBPace
    from heliograph.steps.manage_deliveries import DeliveryDesk

    return DeliveryDesk(
        pace=DynamoDBPace(aws.dynamodb(), settings.calls_table),
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def api_pages(settings: PagesSettings) -> dict[str, Page]:
    """What `pages` tells of the API of this deployment."""
    from heliograph.runtime.openapi.pages import description_pages

    return description_pages(
        settings.usable_routes, local_webhooks=settings.local_webhooks, images_url=settings.images_url or ""
    )


def bucket_origins(settings: PagesSettings) -> BucketOrigins:
    """What `pages` lets a browser reach besides the API. Worked out here, without a call."""
    from heliograph.runtime.pages import BucketOrigins

    objects = _objects()
    return BucketOrigins(
        uploads=objects.origin_of_links(settings.uploads_bucket),
        results=objects.origin_of_links(settings.results_bucket),
    )


def _rules(settings: SubmissionSettings) -> Rules:
    from heliograph.domain.requests import JobRequest, Rules

    JobRequest.model_rebuild()
    return Rules(
        settings.usable_routes,
        settings.reference_buckets,
        settings.uploads_bucket,
        settings.default_policy,
        local_webhooks=settings.local_webhooks,
    )


def _jobs(settings: JobStoreSettings) -> JobStore:
    from heliograph.runtime.watched import WatchedJobStore

    return WatchedJobStore(_job_store(settings), tell)


def _job_store(settings: JobStoreSettings) -> DynamoDBJobStore:
    from heliograph.adapters.dynamodb import DynamoDBJobStore
    from heliograph.domain.jobs import Job

    Job.model_rebuild()
    return DynamoDBJobStore(
        aws.dynamodb(),
        settings.jobs_table,
        ledger_table=settings.ledger_table,
        routes_table=settings.routes_table,
        tenants=settings.tenancy,
        routes=settings.usable_routes,
        retention=settings.job_retention,
    )


def _job_reader(table: str) -> DynamoDBJobReader:
    from heliograph.adapters.dynamodb import DynamoDBJobReader
    from heliograph.domain.jobs import Job

    Job.model_rebuild()
    return DynamoDBJobReader(aws.dynamodb(), table)


def _keys(table: str) -> DynamoDBKeyStore:
    from heliograph.adapters.dynamodb_keys import DynamoDBKeyStore

    return DynamoDBKeyStore(aws.dynamodb(), table)


def _key_uses(table: str) -> DynamoDBKeyUses:
    from heliograph.adapters.dynamodb_key_uses import DynamoDBKeyUses

    return DynamoDBKeyUses(aws.dynamodb(), table)


def _reuse_index(table: str, settings: JobStoreSettings) -> ReuseIndex:
    from heliograph.adapters.dynamodb_reuse import DynamoDBReuseIndex

    return DynamoDBReuseIndex(
        aws.dynamodb(),
        table,
        jobs_table=settings.jobs_table,
        retention=settings.job_retention,
        clock=SystemClock(),
    )


def _ledger(table: str) -> DynamoDBLedger:
    from heliograph.adapters.dynamodb_ledger import DynamoDBLedger

    return DynamoDBLedger(aws.dynamodb(), table)


def _control(settings: PublishedJobsSettings, bus: EventBus | None = None) -> Control:
    from heliograph.adapters.dynamodb_routes import DynamoDBRouteStates
    from heliograph.steps.traffic import Control

    return Control(
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        bus=bus or _bus(settings.event_bus),
        clock=SystemClock(),
        weights=settings.tenancy.weight,
    )


def _objects() -> S3ObjectStore:
    from heliograph.adapters.s3 import S3ObjectStore

    return S3ObjectStore(aws.s3())


def _bus(name: str) -> EventBus:
    from heliograph.adapters.eventbridge import EventBridgeBus
    from heliograph.runtime.watched import WatchedBus

    return WatchedBus(EventBridgeBus(aws.events(), name), tell)


def _workflow(state_machine_arn: str) -> StepFunctionsWorkflow:
    from heliograph.adapters.step_functions import StepFunctionsWorkflow

    return StepFunctionsWorkflow(aws.step_functions(), state_machine_arn)


def _endpoints(table: str) -> DynamoDBEndpointStore:
    from heliograph.adapters.dynamodb_endpoints import DynamoDBEndpointStore

    return DynamoDBEndpointStore(aws.dynamodb(), table)


def _deliveries(table: str) -> DynamoDBDeliveryStore:
    from heliograph.adapters.dynamodb_deliveries import DynamoDBDeliveryStore

    return DynamoDBDeliveryStore(aws.dynamodb(), table)


def _rejections(table: str) -> DynamoDBRejectionStore:
    from heliograph.adapters.dynamodb_rejections import DynamoDBRejectionStore

    return DynamoDBRejectionStore(aws.dynamodb(), table)


def _delivery_workflow(state_machine_arn: str) -> StepFunctionsDeliveryWorkflow:
    from heliograph.adapters.delivery_workflow import StepFunctionsDeliveryWorkflow

    return StepFunctionsDeliveryWorkflow(aws.step_functions(), state_machine_arn)


def _webhook_secret(secret_id: str) -> Callable[[], str]:
    from heliograph.adapters.secrets import read_secret

    return partial(read_secret, secret_id)


def _providers(settings: ProviderSettings) -> Mapping[str, ImageProvider]:
    from heliograph.adapters.apimodels import ApiModels
    from heliograph.adapters.secrets import read_secret

    made: dict[str, ImageProvider] = {
        "apimodels": ApiModels(settings.upstream_base_url, partial(read_secret, settings.upstream_key_secret))
    }
    if settings.kie_key_secret:
        from heliograph.adapters.kie import Kie

        made["kie"] = Kie(settings.kie_base_url, partial(read_secret, settings.kie_key_secret))
    return made


def _ending(settings: EndingSettings) -> Ending:
    from heliograph.adapters.dynamodb_reuse import DynamoDBResultIndex
    from heliograph.adapters.result_host import ResultHost
    from heliograph.adapters.threads import Threads
    from heliograph.steps.finalize import Ending

    return Ending(
        jobs=_jobs(settings),
        objects=_objects(),
        source=ResultHost(settings.result_origins, max_bytes=settings.max_result_bytes),
        together=Threads(max(1, min(_MOST_COPIES, _DISK_BYTES // settings.max_result_bytes))),
        bus=_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
        routes=settings.usable_routes,
        control=_control(settings),
        index=DynamoDBResultIndex(
            aws.dynamodb(), settings.jobs_table, retention=settings.job_retention, clock=SystemClock()
        ),
    )
