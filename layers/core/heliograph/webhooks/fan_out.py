"""Fan an event out: one delivery to each receiver that wants it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StorageFailed
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import Delivery
from heliograph.webhooks.endpoint import Endpoint, job_urls_id

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow, EndpointStore

_JOB_EVENTS = "image.job."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFanOut:
    """Creates the deliveries of events."""

    jobs: JobReader
    endpoints: EndpointStore
    deliveries: DeliveryStore
    workflow: DeliveryWorkflow
    clock: Clock

    def fan_out(self, event: ReceivedEvent) -> list[Delivery]:
        """Writes and starts the event's deliveries; a repeated event finds them and creates no others.

        Receivers are the URL of the job that the event is about, and every endpoint of the tenant that subscribes to
        its type. A paused or disabled endpoint's delivery is kept for a replay. An unreadable record delays no other
        receiver. Raises `StorageFailed` and `WorkflowFailed`, after which a repeat does what is missing.
        """
        endpoints = self.endpoints.list_for(event.tenant)
        unreadable = [*endpoints.unreadable]
        deliveries = self._to_endpoints(event, endpoints)
        try:
            deliveries = [*self._to_job_url(event), *deliveries]
        except StorageFailed as error:
            if error.unreadable is None:
                raise
            unreadable.append(error.unreadable)
        for delivery in deliveries:
            self.deliveries.add(delivery)
            # An existing delivery is started as well: its execution may never have begun, and its name is unique.
            if delivery.is_pending:
                self.workflow.start(delivery)
        if unreadable:
            raise StorageFailed(f"not sent to every receiver: {', '.join(unreadable)} cannot be read")
        return deliveries

    def _to_job_url(self, event: ReceivedEvent) -> list[Delivery]:
        if not event.job_id or not event.type.startswith(_JOB_EVENTS):
            return []
        job = self.jobs.get(event.job_id)
        if job is None or job.request.webhook_url is None:
            return []
        return [
            Delivery.for_event(
                event,
                tenant=job.tenant,
                receiver_id=job_urls_id(job.tenant),
                endpoint_id=None,
                url=job.request.webhook_url,
                skipped=False,
                at=self.clock.now(),
            )
        ]

    def _to_endpoints(self, event: ReceivedEvent, endpoints: Iterable[Endpoint]) -> list[Delivery]:
        return [
            Delivery.for_event(
                event,
                tenant=endpoint.tenant,
                receiver_id=endpoint.endpoint_id,
                endpoint_id=endpoint.endpoint_id,
                url=endpoint.url,
                skipped=not endpoint.is_enabled,
                at=self.clock.now(),
            )
            for endpoint in endpoints
            if not endpoint.is_for_job_urls and endpoint.subscribes_to(event)
        ]
