"""Wiring of the ways in: uploads, API requests, retries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import (
    event_bus,
    job_store,
    job_workflow,
    ledger_store,
    object_store,
    request_rules,
    reuse_index,
)

if TYPE_CHECKING:
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore
    from heliograph.intake.events import UploadRejected
    from heliograph.intake.join_call import EqualCalls
    from heliograph.intake.list_models import Models
    from heliograph.intake.preset_events import PresetRejected
    from heliograph.intake.quote_job import Quote
    from heliograph.intake.rejections import Rejection
    from heliograph.intake.submit import Submission
    from heliograph.intake.submit_upload import Ignored, Upload
    from heliograph.jobs.reference_uploads import UploadForm
    from heliograph.kernel.pagination import Page
    from heliograph.runtime.settings.models import ModelsSettings
    from heliograph.runtime.settings.submission import RequestSubmissionSettings, SubmissionSettings
    from heliograph.runtime.settings.submit_request import SubmitRequestSettings
    from heliograph.runtime.settings.submit_upload import SubmitUploadSettings
    from heliograph.runtime.settings.uploads import UploadsSettings


def upload_submitter(
    settings: SubmitUploadSettings,
) -> Callable[[Upload], Submission | UploadRejected | PresetRejected | Ignored]:
    """What `submit_upload` does with one announced object."""
    from heliograph.intake.submit_upload import submit_upload

    return partial(
        submit_upload,
        rules=request_rules(settings),
        objects=object_store(),
        jobs=job_store(settings),
        ledger=ledger_store(settings.ledger_table),
        index=reuse_index(settings.reuse_table, settings),
        rejections=_rejections(settings.rejections_table),
        bus=event_bus(settings.event_bus),
        workflow=job_workflow(settings.state_machine_arn),
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

    ledger = ledger_store(settings.ledger_table)
    states = DynamoDBRouteStates(aws.dynamodb(), settings.routes_table)
    quoting = Quoting(tenants=settings.tenancy, ledger=ledger, states=states, clock=SystemClock())
    return partial(
        submit_request,
        quoting=quoting if with_quotes else None,
        rules=request_rules(settings),
        objects=object_store(),
        jobs=job_store(settings),
        ledger=ledger_store(settings.ledger_table),
        index=reuse_index(reuse_table, settings) if reuse_table else None,
        bus=event_bus(settings.event_bus),
        workflow=job_workflow(settings.state_machine_arn),
        clock=SystemClock(),
        deadline=settings.job_deadline,
    )


def equal_calls(settings: SubmitRequestSettings) -> EqualCalls:
    """What `submit_request` finds the call by that one repeats."""
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.intake.join_call import EqualCalls

    return EqualCalls(
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        rules=request_rules(settings),
        clock=SystemClock(),
    )


def job_retrier(settings: SubmissionSettings) -> Callable[..., Submission | None]:
    """What `submit_request` does with `(job_id, caller=)`."""
    from heliograph.intake.retry_job import retry_job

    return partial(
        retry_job,
        rules=request_rules(settings),
        objects=object_store(),
        jobs=job_store(settings),
        ledger=ledger_store(settings.ledger_table),
        bus=event_bus(settings.event_bus),
        workflow=job_workflow(settings.state_machine_arn),
        clock=SystemClock(),
    )


def upload_creator(settings: UploadsSettings) -> Callable[..., UploadForm]:
    """What `uploads` does with `(request, tenant=, call=)`."""
    from heliograph.intake.create_reference_upload import create_upload

    return partial(create_upload, objects=object_store(), clock=SystemClock(), bucket=settings.uploads_bucket)


def rejection_lister(settings: UploadsSettings) -> Callable[..., Page[Rejection]]:
    """What `uploads` does with `(query, tenant=)`."""
    from heliograph.intake.list_rejections import list_rejections

    return partial(list_rejections, rejections=_rejections(settings.rejections_table))


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


def _rejections(table: str) -> DynamoDBRejectionStore:
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore

    return DynamoDBRejectionStore(aws.dynamodb(), table)
