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

from heliograph.monitoring.logging import tell
from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.environment import read_settings

if TYPE_CHECKING:
    from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses
    from heliograph.access.keys import Caller
    from heliograph.access.manage_keys import Allowance, KeyService
    from heliograph.access.open_waits import WaitCap
    from heliograph.api.pages import BucketOrigins, WebPage
    from heliograph.budgets.adapters.dynamodb import DynamoDBLedger
    from heliograph.budgets.ledger import UsageLine
    from heliograph.budgets.read_me import MeReader
    from heliograph.execution.finalize import Ending
    from heliograph.execution.outcomes import (
        CloseOutcome,
        DispatchOutcome,
        FinalizeInput,
        FinalizeOutcome,
        PollOutcome,
        Watch,
    )
    from heliograph.execution.provider_callback import CallbackResult
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore
    from heliograph.intake.events import UploadRejected
    from heliograph.intake.join_call import EqualCalls
    from heliograph.intake.list_models import Models
    from heliograph.intake.preset_events import PresetRejected
    from heliograph.intake.quote_job import Quote
    from heliograph.intake.rejections import Rejection
    from heliograph.intake.submit import Submission
    from heliograph.intake.submit_upload import Ignored, Upload
    from heliograph.jobs.adapters.dynamodb import DynamoDBJobReader, DynamoDBJobStore
    from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow
    from heliograph.jobs.job import Job
    from heliograph.jobs.ports import JobStore, ReuseIndex
    from heliograph.jobs.read_jobs import JobView
    from heliograph.jobs.read_timeline import Timeline
    from heliograph.jobs.reference_uploads import UploadForm
    from heliograph.jobs.request import Rules
    from heliograph.kernel.pagination import Page
    from heliograph.kernel.ports import EventBus
    from heliograph.monitoring.metrics import HealthSnapshot
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.openai_images.make_images import ImagesService
    from heliograph.providers.ports import ImageProvider
    from heliograph.routes.control import RouteControl
    from heliograph.runtime.operator import OperatorTools
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
    from heliograph.storage.adapters.s3 import S3ObjectStore
    from heliograph.webhooks.adapters.dynamodb_deliveries import DynamoDBDeliveryStore
    from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore
    from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow
    from heliograph.webhooks.delivery import DeliverOutcome, Delivery, DeliveryCrashed, DeliveryTurn
    from heliograph.webhooks.endpoint import ReceivedEvent
    from heliograph.webhooks.manage_deliveries import DeliveryService
    from heliograph.webhooks.manage_endpoints import EndpointService

# How many results of a job are copied at once, as far as all of them fit onto a function's disk.
_MOST_COPIES = 4
_DISK_BYTES = 500_000_000


def upload_submitter(
    settings: SubmitUploadSettings,
) -> Callable[[Upload], Submission | UploadRejected | PresetRejected | Ignored]:
    """What `submit_upload` does with one announced object."""
    from heliograph.intake.submit_upload import submit_upload

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
    from heliograph.intake.quote_job import Quoting
    from heliograph.intake.submit_request import submit_request
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

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
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.intake.join_call import EqualCalls

    return EqualCalls(
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        rules=_rules(settings),
        clock=SystemClock(),
    )


def job_retrier(settings: SubmissionSettings) -> Callable[..., Submission | None]:
    """What `submit_request` does with `(job_id, caller=)`."""
    from heliograph.intake.retry_job import retry_job

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
    from heliograph.jobs.wait_for_end import await_end

    return partial(await_end, jobs=_job_reader(settings.jobs_table), clock=SystemClock(), sleep=time.sleep)


def job_canceler(settings: CancelSettings) -> Callable[..., Job | None]:
    """What `cancel` does with `(job_id, tenant=)`."""
    from heliograph.jobs.cancel import cancel_job

    return partial(
        cancel_job,
        jobs=_jobs(settings),
        bus=_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
    )


def upload_creator(settings: UploadsSettings) -> Callable[..., UploadForm]:
    """What `uploads` does with `(request, tenant=, call=)`."""
    from heliograph.intake.create_reference_upload import create_upload

    return partial(create_upload, objects=_objects(), clock=SystemClock(), bucket=settings.uploads_bucket)


def rejection_lister(settings: UploadsSettings) -> Callable[..., Page[Rejection]]:
    """What `uploads` does with `(query, tenant=)`."""
    from heliograph.intake.list_rejections import list_rejections

    return partial(list_rejections, rejections=_rejections(settings.rejections_table))


def job_viewer() -> Callable[[Job], JobView]:
    """A job with links to its results."""
    from heliograph.jobs.read_jobs import view_of

    return partial(view_of, objects=_objects(), clock=SystemClock())


def job_reader(settings: ApiSettings) -> Callable[..., JobView | None]:
    """What `api` does with `(job_id, tenant=)`."""
    from heliograph.jobs.read_jobs import read_job

    return partial(read_job, jobs=_job_reader(settings.jobs_table), objects=_objects(), clock=SystemClock())


def job_lister(settings: ApiSettings) -> Callable[..., Page[JobView]]:
    """What `api` does with `(query, tenant=)`."""
    from heliograph.jobs.read_jobs import list_jobs

    return partial(list_jobs, jobs=_job_reader(settings.jobs_table), objects=_objects(), clock=SystemClock())


def timeline_reader(settings: ApiSettings) -> Callable[..., Timeline | None]:
    """What `api` does with `(job_id, tenant=)`, to tell what happened."""
    from heliograph.jobs.read_timeline import read_timeline

    return partial(read_timeline, jobs=_job_reader(settings.jobs_table), workflow=_workflow(settings.state_machine_arn))


def model_reader(settings: ModelsSettings) -> Callable[[], Models]:
    """What `api` tells of the routes."""
    from heliograph.intake.list_models import read_models
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

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
    from heliograph.budgets.usage import read_usage

    return partial(read_usage, ledger=_ledger(settings.ledger_table), clock=SystemClock())


def me_reader(settings: ModelsSettings) -> MeReader:
    """What `models` tells callers of their own keys."""
    from heliograph.budgets.read_me import MeReader
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

    return MeReader(
        tenants=settings.tenancy,
        ledger=_ledger(settings.ledger_table),
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        keys=_keys(settings.keys_table),
        clock=SystemClock(),
    )


def dispatcher(settings: DispatchSettings) -> Callable[..., DispatchOutcome]:
    """What `dispatch` does with `(turn, run_id=)`."""
    from heliograph.execution.adapters.link_trial import HttpLinkTrial
    from heliograph.execution.create_task import Creating
    from heliograph.execution.dispatch import dispatch
    from heliograph.execution.reuse_result import Reusing

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
    from heliograph.execution.poll import poll

    return partial(poll, providers=_providers(settings), clock=SystemClock())


def finalizer(settings: EndingSettings) -> Callable[[FinalizeInput], FinalizeOutcome]:
    """What `finalize` does with the outcome of a task."""
    from heliograph.execution.finalize import finalize

    return partial(finalize, ending=_ending(settings))


def closer(settings: CloseSettings) -> Callable[..., CloseOutcome]:
    """What `close` does with `(job_id, error, watch=)`."""
    from heliograph.execution import recover as closing

    return partial(closing.close, providers=_providers(settings), ending=_ending(settings))


def sweeper(settings: SweepSettings) -> Callable[..., list[str]]:
    """What `sweep` does with `(time_left=)`."""
    from heliograph.budgets.exhausted import BudgetWatch
    from heliograph.execution import recover as closing

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
    from heliograph.webhooks.lost_deliveries import carry_on

    return partial(
        carry_on,
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def surveyor(settings: SweepSettings) -> Callable[[], HealthSnapshot]:
    """What `sweep` looks at when it is done."""
    from heliograph.monitoring.health import check_health

    return partial(
        check_health,
        jobs=_job_reader(settings.jobs_table),
        routes=tuple(settings.usable_routes),
        control=_control(settings),
    )


def callback_hearer(settings: CallbackSettings) -> Callable[[str, str, str | None], CallbackResult]:
    """What `callback` does with `(job_id, token, task_id)`."""
    from heliograph.execution.adapters.task_tokens import TaskTokenWaits
    from heliograph.execution.provider_callback import Hearing, receive_callback

    waits = TaskTokenWaits(aws.dynamodb(), aws.step_functions(), settings.waits_table)
    hearing = Hearing(jobs=_jobs(settings), providers=_providers(settings), waits=waits, clock=SystemClock())
    return partial(receive_callback, hearing=hearing)


def control_room() -> OperatorTools:
    """For `operations`, with the settings that are in its environment; no function of ours has it."""
    from heliograph.platform.event_bus import EventBridgeBus
    from heliograph.runtime.operator import OperatorTools
    from heliograph.runtime.settings.operations import OperationsSettings

    settings = read_settings(OperationsSettings)
    # A person's terminal is no log: what is done here is measured by nobody.
    control = _control(settings, EventBridgeBus(aws.events(), settings.event_bus))
    ledger = _ledger(settings.ledger_table)
    return OperatorTools(settings.usable_routes, control, _job_store(settings), ledger, settings.job_retention)


def recogniser(settings: RecogniserSettings) -> Callable[[str], Caller | None]:
    """What `authorize` does with a key. The deployment's own is read anew at most once a minute."""
    from heliograph.access.manage_keys import KeyBook
    from heliograph.platform.secrets import read_secret

    return KeyBook(
        own_key=partial(read_secret, settings.api_key_secret),
        keys=_keys(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        requests_per_minute=settings.calls_per_minute or None,
    ).recognise


def caller_again(settings: KeysTableSettings) -> Callable[[Caller], Caller]:
    """What the API's functions do before a privileged act: the gateway remembers for a minute what a key opens."""
    from heliograph.access.manage_keys import look_up_again

    return partial(look_up_again, keys=_keys(settings.keys_table), clock=SystemClock())


def call_counter(settings: CallsTableSettings) -> Callable[..., Allowance | None]:
    """What the API's functions do with every caller, before anything else."""
    from heliograph.access.manage_keys import count_call

    return partial(count_call, uses=_key_uses(settings.calls_table), clock=SystemClock())


def image_studio(settings: ImagesSettings) -> ImagesService:
    """What `images` makes pictures with."""
    from heliograph.budgets.exhausted import check_budgets
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.openai_images.make_images import ImagesService

    return ImagesService(
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
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.platform.secrets import read_secret

    return ImageLinks(
        jobs=_job_reader(settings.jobs_table),
        objects=_objects(),
        clock=SystemClock(),
        secret=partial(read_secret, settings.api_key_secret),
    )


def wait_cap(settings: WaitsSettings, table: str) -> WaitCap:
    """What keeps the calls of one key that wait from being too many. `table`: where they are counted."""
    from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
    from heliograph.access.open_waits import WaitCap

    return WaitCap(waits=DynamoDBOpenWaits(aws.dynamodb(), table), clock=SystemClock(), most=settings.waits_per_caller)


def key_desk(settings: KeysTableSettings | None = None) -> KeyService:
    """What `keys` does; `operations` too, with the settings that are in its environment."""
    from heliograph.access.manage_keys import KeyService
    from heliograph.runtime.settings.api_keys import KeysTableSettings

    settings = settings or read_settings(KeysTableSettings)
    return KeyService(
        keys=_keys(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        new_secret=partial(secrets.token_urlsafe, 32),
    )


def notifier(settings: NotifySettings) -> Callable[[ReceivedEvent], list[Delivery]]:
    """What `notify` does with an event of the bus."""
    from heliograph.webhooks.fan_out import Notifying, notify

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
    from heliograph.webhooks.adapters.http_sender import HttpWebhookSender
    from heliograph.webhooks.deliver import Delivering, deliver

    delivering = Delivering(
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        sender=HttpWebhookSender(local=settings.local_webhooks),
        bus=_bus(settings.event_bus),
        clock=SystemClock(),
        master=_webhook_secret(settings.webhook_secret),
    )
    return partial(deliver, delivering=delivering)


def endpoint_desk(settings: EndpointsSettings) -> EndpointService:
    """What `webhooks` does."""
    from heliograph.webhooks.manage_endpoints import EndpointService

    return EndpointService(
        endpoints=_endpoints(settings.endpoints_table),
        clock=SystemClock(),
        master=_webhook_secret(settings.webhook_secret),
        local=settings.local_webhooks,
    )


def delivery_desk(settings: DeliveriesSettings) -> DeliveryService:
    """What `deliveries` does."""
    from heliograph.access.adapters.dynamodb_pace import DynamoDBPace
    from heliograph.webhooks.manage_deliveries import DeliveryService

    return DeliveryService(
        pace=DynamoDBPace(aws.dynamodb(), settings.calls_table),
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def api_pages(settings: PagesSettings) -> dict[str, WebPage]:
    """What `pages` tells of the API of this deployment."""
    from heliograph.api.openapi.pages import description_pages

    return description_pages(
        settings.usable_routes, local_webhooks=settings.local_webhooks, images_url=settings.images_url or ""
    )


def bucket_origins(settings: PagesSettings) -> BucketOrigins:
    """What `pages` lets a browser reach besides the API. Worked out here, without a call."""
    from heliograph.api.pages import BucketOrigins

    objects = _objects()
    return BucketOrigins(
        uploads=objects.origin_of_links(settings.uploads_bucket),
        results=objects.origin_of_links(settings.results_bucket),
    )


def _rules(settings: SubmissionSettings) -> Rules:
    from heliograph.jobs.request import JobRequest, Rules

    JobRequest.model_rebuild()
    return Rules(
        settings.usable_routes,
        settings.reference_buckets,
        settings.uploads_bucket,
        settings.default_policy,
        local_webhooks=settings.local_webhooks,
    )


def _jobs(settings: JobStoreSettings) -> JobStore:
    from heliograph.monitoring.measured import WatchedJobStore

    return WatchedJobStore(_job_store(settings), tell)


def _job_store(settings: JobStoreSettings) -> DynamoDBJobStore:
    from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
    from heliograph.jobs.job import Job

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
    from heliograph.jobs.adapters.dynamodb import DynamoDBJobReader
    from heliograph.jobs.job import Job

    Job.model_rebuild()
    return DynamoDBJobReader(aws.dynamodb(), table)


def _keys(table: str) -> DynamoDBKeyStore:
    from heliograph.access.adapters.dynamodb import DynamoDBKeyStore

    return DynamoDBKeyStore(aws.dynamodb(), table)


def _key_uses(table: str) -> DynamoDBKeyUses:
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses

    return DynamoDBKeyUses(aws.dynamodb(), table)


def _reuse_index(table: str, settings: JobStoreSettings) -> ReuseIndex:
    from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBReuseIndex

    return DynamoDBReuseIndex(
        aws.dynamodb(),
        table,
        jobs_table=settings.jobs_table,
        retention=settings.job_retention,
        clock=SystemClock(),
    )


def _ledger(table: str) -> DynamoDBLedger:
    from heliograph.budgets.adapters.dynamodb import DynamoDBLedger

    return DynamoDBLedger(aws.dynamodb(), table)


def _control(settings: PublishedJobsSettings, bus: EventBus | None = None) -> RouteControl:
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
    from heliograph.routes.control import RouteControl

    return RouteControl(
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        bus=bus or _bus(settings.event_bus),
        clock=SystemClock(),
        weights=settings.tenancy.weight,
    )


def _objects() -> S3ObjectStore:
    from heliograph.storage.adapters.s3 import S3ObjectStore

    return S3ObjectStore(aws.s3())


def _bus(name: str) -> EventBus:
    from heliograph.monitoring.measured import WatchedBus
    from heliograph.platform.event_bus import EventBridgeBus

    return WatchedBus(EventBridgeBus(aws.events(), name), tell)


def _workflow(state_machine_arn: str) -> StepFunctionsWorkflow:
    from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow

    return StepFunctionsWorkflow(aws.step_functions(), state_machine_arn)


def _endpoints(table: str) -> DynamoDBEndpointStore:
    from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore

    return DynamoDBEndpointStore(aws.dynamodb(), table)


def _deliveries(table: str) -> DynamoDBDeliveryStore:
    from heliograph.webhooks.adapters.dynamodb_deliveries import DynamoDBDeliveryStore

    return DynamoDBDeliveryStore(aws.dynamodb(), table)


def _rejections(table: str) -> DynamoDBRejectionStore:
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore

    return DynamoDBRejectionStore(aws.dynamodb(), table)


def _delivery_workflow(state_machine_arn: str) -> StepFunctionsDeliveryWorkflow:
    from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow

    return StepFunctionsDeliveryWorkflow(aws.step_functions(), state_machine_arn)


def _webhook_secret(secret_id: str) -> Callable[[], str]:
    from heliograph.platform.secrets import read_secret

    return partial(read_secret, secret_id)


def _providers(settings: ProviderSettings) -> Mapping[str, ImageProvider]:
    from heliograph.platform.secrets import read_secret
    from heliograph.providers.adapters.apimodels import ApiModels

    made: dict[str, ImageProvider] = {
        "apimodels": ApiModels(settings.upstream_base_url, partial(read_secret, settings.upstream_key_secret))
    }
    if settings.kie_key_secret:
        from heliograph.providers.adapters.kie import Kie

        made["kie"] = Kie(settings.kie_base_url, partial(read_secret, settings.kie_key_secret))
    return made


def _ending(settings: EndingSettings) -> Ending:
    from heliograph.execution.finalize import Ending
    from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBResultIndex
    from heliograph.platform.threads import Threads
    from heliograph.providers.adapters.result_host import ResultHost

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
