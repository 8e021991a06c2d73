"""Wiring of the ways in: uploads, API requests, retries."""

from __future__ import annotations

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
from heliograph.runtime.wiring.budgets import budget_announcer

if TYPE_CHECKING:
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore
    from heliograph.intake.create_job import JobCreator
    from heliograph.intake.create_reference_upload import ReferenceUploadCreator
    from heliograph.intake.join_call import EqualCalls
    from heliograph.intake.list_models import ModelLister
    from heliograph.intake.quote_job import JobQuoter
    from heliograph.intake.retry_job import JobRetrier
    from heliograph.intake.stored_references import StoredReferences
    from heliograph.intake.submit_job import JobSubmitter
    from heliograph.intake.submit_upload import UploadSubmitter
    from heliograph.runtime.settings.create_reference_upload import CreateReferenceUploadSettings
    from heliograph.runtime.settings.read_models_and_usage import ReadModelsAndUsageSettings
    from heliograph.runtime.settings.submission import RequestSubmissionSettings, SubmissionSettings
    from heliograph.runtime.settings.submit_job import SubmitJobSettings
    from heliograph.runtime.settings.submit_upload import SubmitUploadSettings


def upload_submitter(settings: SubmitUploadSettings) -> UploadSubmitter:
    """For objects that arrive in the uploads bucket."""
    from heliograph.intake.check_preset import PresetChecker
    from heliograph.intake.reject_upload import RejectionPublisher
    from heliograph.intake.submit_upload import MAX_DOCUMENT_BYTES, UPLOADS_TENANT, UploadSubmitter
    from heliograph.intake.trip_wire import TripWire

    rules, references, bus = request_rules(settings), stored_references(), event_bus(settings.event_bus)
    index = reuse_index(settings.reuse_table, settings)
    rejections = RejectionPublisher(rejections=rejection_store(settings.rejections_table), bus=bus)
    return UploadSubmitter(
        rules=rules,
        references=references,
        creator=job_creator(settings),
        index=index,
        rejections=rejections,
        presets=PresetChecker(
            rules=rules,
            references=references,
            rejections=rejections,
            clock=SystemClock(),
            tenant=UPLOADS_TENANT,
            max_bytes=MAX_DOCUMENT_BYTES,
        ),
        trip_wire=TripWire(index=index, bus=bus, clock=SystemClock()),
        clock=SystemClock(),
        deadline=settings.upload_deadline,
    )


def job_submitter(settings: RequestSubmissionSettings, *, reuse_table: str | None = None) -> JobSubmitter:
    """For API calls that create jobs. `reuse_table`: for callers that can ask for reuse."""
    from heliograph.intake.submit_job import JobSubmitter

    return JobSubmitter(
        rules=request_rules(settings),
        references=stored_references(),
        creator=job_creator(settings),
        index=reuse_index(reuse_table, settings) if reuse_table else None,
        deadline=settings.job_deadline,
    )


def job_quoter(settings: RequestSubmissionSettings) -> JobQuoter:
    """For `POST /v1/jobs` with `dry_run`."""
    from heliograph.intake.quote_job import JobQuoter
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

    return JobQuoter(
        rules=request_rules(settings),
        references=stored_references(),
        tenants=settings.tenancy,
        ledger=ledger_store(settings.ledger_table),
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        clock=SystemClock(),
    )


def equal_calls(settings: SubmitJobSettings) -> EqualCalls:
    """For `POST /v1/jobs` without an idempotency key."""
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.intake.join_call import EqualCalls

    return EqualCalls(
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        rules=request_rules(settings),
        clock=SystemClock(),
    )


def job_retrier(settings: SubmissionSettings) -> JobRetrier:
    """For `POST /v1/jobs/{id}/retry`."""
    from heliograph.intake.retry_job import JobRetrier

    return JobRetrier(rules=request_rules(settings), references=stored_references(), creator=job_creator(settings))


def job_creator(settings: SubmissionSettings) -> JobCreator:
    """For everything that creates jobs."""
    from heliograph.intake.create_job import JobCreator

    return JobCreator(
        jobs=job_store(settings),
        objects=object_store(),
        workflow=job_workflow(settings.state_machine_arn),
        budgets=budget_announcer(settings.ledger_table, settings.event_bus),
        clock=SystemClock(),
    )


def stored_references() -> StoredReferences:
    """For every request that names objects."""
    from heliograph.intake.stored_references import StoredReferences

    return StoredReferences(objects=object_store())


def reference_upload_creator(settings: CreateReferenceUploadSettings) -> ReferenceUploadCreator:
    """For `POST /v1/uploads`."""
    from heliograph.intake.create_reference_upload import ReferenceUploadCreator

    return ReferenceUploadCreator(objects=object_store(), clock=SystemClock(), bucket=settings.uploads_bucket)


def rejection_store(table: str) -> DynamoDBRejectionStore:
    """For `GET /v1/uploads?status=rejected`, and for what rejects uploads."""
    from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore

    return DynamoDBRejectionStore(aws.dynamodb(), table)


def model_lister(settings: ReadModelsAndUsageSettings) -> ModelLister:
    """For `GET /v1/models`."""
    from heliograph.intake.list_models import ModelLister
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

    return ModelLister(
        routes=settings.usable_routes,
        policy=settings.default_policy,
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        clock=SystemClock(),
    )
