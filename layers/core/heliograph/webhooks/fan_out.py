"""An event of the bus becomes one delivery to each receiver that it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StorageFailed
from heliograph.webhooks.delivery import Delivery
from heliograph.webhooks.endpoint import Endpoint, ReceivedEvent, job_urls_id

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow, EndpointStore

_OF_JOBS = "image.job."


@dataclass(frozen=True, slots=True)
class Notifying:
    """What `notify` needs."""

    jobs: JobReader
    endpoints: EndpointStore
    deliveries: DeliveryStore
    workflow: DeliveryWorkflow
    clock: Clock


def notify(event: ReceivedEvent, *, notifying: Notifying) -> list[Delivery]:
    """The deliveries of the event, written down and started; a repeated event finds them and makes no other.

    To the URL given with the job that it is about, and to every endpoint of its tenant that chose such events; where
    that is paused or disabled, the delivery is kept for a replay. Raises `StorageFailed` and `WorkflowFailed`; then a
    repeat will do what is missing. A record that can't be read keeps no other receiver waiting.
    """
    endpoints = notifying.endpoints.of(event.tenant)
    unreadable = [*endpoints.unreadable]
    deliveries = _to_endpoints(event, endpoints, notifying)
    try:
        deliveries = [*_to_the_jobs_url(event, notifying), *deliveries]
    except StorageFailed as error:
        if error.unreadable is None:
            raise
        unreadable.append(error.unreadable)
    for delivery in deliveries:
        notifying.deliveries.add(delivery)
        # Also of one that was there before: its execution may never have begun, and has its name for itself.
        if delivery.is_pending:
            notifying.workflow.start(delivery)
    if unreadable:
        raise StorageFailed(f"not told to every receiver: {', '.join(unreadable)} can't be read")
    return deliveries


def _to_the_jobs_url(event: ReceivedEvent, notifying: Notifying) -> list[Delivery]:
    if not event.job_id or not event.type.startswith(_OF_JOBS):
        return []
    job = notifying.jobs.get(event.job_id)
    if job is None or job.request.webhook_url is None:
        return []
    return [
        Delivery.of(
            event,
            tenant=job.tenant,
            receiver_id=job_urls_id(job.tenant),
            endpoint_id=None,
            url=job.request.webhook_url,
            skipped=False,
            at=notifying.clock.now(),
        )
    ]


def _to_endpoints(event: ReceivedEvent, endpoints: Iterable[Endpoint], notifying: Notifying) -> list[Delivery]:
    return [
        Delivery.of(
            event,
            tenant=endpoint.tenant,
            receiver_id=endpoint.endpoint_id,
            endpoint_id=endpoint.endpoint_id,
            url=endpoint.url,
            skipped=not endpoint.takes_deliveries,
            at=notifying.clock.now(),
        )
        for endpoint in endpoints
        if not endpoint.is_of_job_urls and endpoint.wants(event)
    ]
