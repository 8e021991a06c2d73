"""Adapters that several use cases share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.monitoring.logging import emit_metrics
from heliograph.platform import aws
from heliograph.platform.clock import SystemClock

if TYPE_CHECKING:
    from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
    from heliograph.budgets.adapters.dynamodb import DynamoDBLedger
    from heliograph.jobs.adapters.dynamodb import DynamoDBJobReader, DynamoDBJobStore
    from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow
    from heliograph.jobs.ports import JobStore, ReuseIndex
    from heliograph.jobs.request import Rules
    from heliograph.kernel.ports import EventBus
    from heliograph.routes.control import RouteControl
    from heliograph.runtime.settings.jobs import JobStoreSettings, PublishedJobsSettings
    from heliograph.runtime.settings.submission import SubmissionSettings
    from heliograph.storage.adapters.s3 import S3ObjectStore


def request_rules(settings: SubmissionSettings) -> Rules:
    """Rules that requests are validated by."""
    from heliograph.jobs.request import JobRequest, Rules

    JobRequest.model_rebuild()
    return Rules(
        settings.usable_routes,
        settings.reference_buckets,
        settings.uploads_bucket,
        settings.default_policy,
        local_webhooks=settings.local_webhooks,
    )


def job_store(settings: JobStoreSettings) -> JobStore:
    """Writes jobs, and emits their metrics."""
    from heliograph.monitoring.measured import MeasuredJobStore

    return MeasuredJobStore(plain_job_store(settings), emit_metrics)


def plain_job_store(settings: JobStoreSettings) -> DynamoDBJobStore:
    """Writes jobs without emitting metrics."""
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


def job_records(table: str) -> DynamoDBJobReader:
    """Reads jobs."""
    from heliograph.jobs.adapters.dynamodb import DynamoDBJobReader
    from heliograph.jobs.job import Job

    Job.model_rebuild()
    return DynamoDBJobReader(aws.dynamodb(), table)


def key_store(table: str) -> DynamoDBKeyStore:
    from heliograph.access.adapters.dynamodb import DynamoDBKeyStore

    return DynamoDBKeyStore(aws.dynamodb(), table)


def reuse_index(table: str, settings: JobStoreSettings) -> ReuseIndex:
    from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBReuseIndex

    return DynamoDBReuseIndex(
        aws.dynamodb(),
        table,
        jobs_table=settings.jobs_table,
        retention=settings.job_retention,
        clock=SystemClock(),
    )


def ledger_store(table: str) -> DynamoDBLedger:
    from heliograph.budgets.adapters.dynamodb import DynamoDBLedger

    return DynamoDBLedger(aws.dynamodb(), table)


def route_control(settings: PublishedJobsSettings, bus: EventBus | None = None) -> RouteControl:
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
    from heliograph.routes.control import RouteControl

    return RouteControl(
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        bus=bus or event_bus(settings.event_bus),
        clock=SystemClock(),
        weights=settings.tenancy.weight,
    )


def object_store() -> S3ObjectStore:
    from heliograph.storage.adapters.s3 import S3ObjectStore

    return S3ObjectStore(aws.s3())


def event_bus(name: str) -> EventBus:
    """Publishes events, and counts them."""
    from heliograph.monitoring.measured import MeasuredEventBus
    from heliograph.platform.event_bus import EventBridgeBus

    return MeasuredEventBus(EventBridgeBus(aws.events(), name), emit_metrics)


def job_workflow(state_machine_arn: str) -> StepFunctionsWorkflow:
    from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow

    return StepFunctionsWorkflow(aws.step_functions(), state_machine_arn)
