"""Wiring of webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import event_bus, job_records

if TYPE_CHECKING:
    from heliograph.runtime.settings.endpoints import EndpointsSettings
    from heliograph.runtime.settings.fan_out_webhooks import FanOutWebhooksSettings
    from heliograph.runtime.settings.manage_webhook_deliveries import ManageWebhookDeliveriesSettings
    from heliograph.runtime.settings.send_webhook import SendWebhookSettings
    from heliograph.runtime.settings.sweep_webhook_deliveries import SweepWebhookDeliveriesSettings
    from heliograph.webhooks.adapters.dynamodb_deliveries import DynamoDBDeliveryStore
    from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore
    from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow
    from heliograph.webhooks.fan_out import WebhookFanOut
    from heliograph.webhooks.manage_deliveries import DeliveryService
    from heliograph.webhooks.manage_endpoints import EndpointService
    from heliograph.webhooks.send_delivery import DeliverySender
    from heliograph.webhooks.sweep_deliveries import DeliverySweeper

# Deliveries that a recovery starts at once; an SDK client has ten connections.
_MAX_PARALLEL_STARTS = 8


def webhook_fan_out(settings: FanOutWebhooksSettings) -> WebhookFanOut:
    """For events from the bus."""
    from heliograph.webhooks.fan_out import WebhookFanOut

    return WebhookFanOut(
        jobs=job_records(settings.jobs_table),
        endpoints=_endpoints(settings.endpoints_table),
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def delivery_sender(settings: SendWebhookSettings) -> DeliverySender:
    """For the workflow's attempts, and for executions that ended early."""
    from heliograph.webhooks.adapters.http_sender import HttpWebhookSender
    from heliograph.webhooks.send_delivery import DeliverySender

    return DeliverySender(
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        sender=HttpWebhookSender(local=settings.local_webhooks),
        bus=event_bus(settings.event_bus),
        clock=SystemClock(),
        master_secret=_master_secret(settings.webhook_secret),
    )


def endpoint_service(settings: EndpointsSettings) -> EndpointService:
    """For `/v1/webhook-endpoints` and the secrets of endpoints."""
    from heliograph.webhooks.manage_endpoints import EndpointService

    return EndpointService(
        endpoints=_endpoints(settings.endpoints_table),
        clock=SystemClock(),
        master_secret=_master_secret(settings.webhook_secret),
        allow_local=settings.local_webhooks,
    )


def delivery_service(settings: ManageWebhookDeliveriesSettings) -> DeliveryService:
    """For `/v1/deliveries`, and for tests and recoveries of endpoints."""
    from heliograph.access.adapters.dynamodb_pace import DynamoDBPace
    from heliograph.platform.threads import Threads
    from heliograph.webhooks.manage_deliveries import DeliveryService

    return DeliveryService(
        together=Threads(_MAX_PARALLEL_STARTS),
        pace=DynamoDBPace(aws.dynamodb(), settings.calls_table),
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def delivery_sweeper(settings: SweepWebhookDeliveriesSettings) -> DeliverySweeper:
    """For the sweep's schedule."""
    from heliograph.webhooks.sweep_deliveries import DeliverySweeper

    return DeliverySweeper(
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def _endpoints(table: str) -> DynamoDBEndpointStore:
    from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore

    return DynamoDBEndpointStore(aws.dynamodb(), table)


def _deliveries(table: str) -> DynamoDBDeliveryStore:
    from heliograph.webhooks.adapters.dynamodb_deliveries import DynamoDBDeliveryStore

    return DynamoDBDeliveryStore(aws.dynamodb(), table)


def _delivery_workflow(state_machine_arn: str) -> StepFunctionsDeliveryWorkflow:
    from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow

    return StepFunctionsDeliveryWorkflow(aws.step_functions(), state_machine_arn)


def _master_secret(secret_id: str) -> Callable[[], str]:
    from heliograph.platform.secrets import read_secret

    return lambda: read_secret(secret_id)
