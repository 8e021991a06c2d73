"""Wiring of webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    from heliograph.webhooks.delivery import DeliverOutcome, Delivery, DeliveryCrashed, DeliveryTurn
    from heliograph.webhooks.endpoint import ReceivedEvent
    from heliograph.webhooks.manage_deliveries import DeliveryService
    from heliograph.webhooks.manage_endpoints import EndpointService


# Deliveries that are started at once; an SDK client has ten connections.
_MOST_RECOVERIES = 8


def notifier(settings: FanOutWebhooksSettings) -> Callable[[ReceivedEvent], list[Delivery]]:
    """What `notify` does with an event of the bus."""
    from heliograph.webhooks.fan_out import Notifying, notify

    notifying = Notifying(
        jobs=job_records(settings.jobs_table),
        endpoints=_endpoints(settings.endpoints_table),
        deliveries=_deliveries(settings.deliveries_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )
    return partial(notify, notifying=notifying)


def deliverer(settings: SendWebhookSettings) -> Callable[[DeliveryTurn | DeliveryCrashed], DeliverOutcome]:
    """What `deliver` does with a turn, or with an execution that ended early."""
    from heliograph.webhooks.adapters.http_sender import HttpWebhookSender
    from heliograph.webhooks.deliver import Delivering, deliver

    delivering = Delivering(
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        sender=HttpWebhookSender(local=settings.local_webhooks),
        bus=event_bus(settings.event_bus),
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


def delivery_desk(settings: ManageWebhookDeliveriesSettings) -> DeliveryService:
    """What `deliveries` does."""
    from heliograph.access.adapters.dynamodb_pace import DynamoDBPace
    from heliograph.platform.threads import Threads
    from heliograph.webhooks.manage_deliveries import DeliveryService

    return DeliveryService(
        together=Threads(_MOST_RECOVERIES),
        pace=DynamoDBPace(aws.dynamodb(), settings.calls_table),
        deliveries=_deliveries(settings.deliveries_table),
        endpoints=_endpoints(settings.endpoints_table),
        workflow=_delivery_workflow(settings.delivery_machine_arn),
        clock=SystemClock(),
    )


def delivery_sweeper(settings: SweepWebhookDeliveriesSettings) -> Callable[[], list[str]]:
    """What `sweep_deliveries` does."""
    from heliograph.webhooks.lost_deliveries import carry_on

    return partial(
        carry_on,
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


def _webhook_secret(secret_id: str) -> Callable[[], str]:
    from heliograph.platform.secrets import read_secret

    return partial(read_secret, secret_id)
