"""Deliveries as their tenant sees them: listed, looked at, replayed; and one that is a test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.kernel.errors import Conflict, StaleRecord, StorageFailed, TooSoon, WorkflowFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import Page
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import DELIVERY_ID, Delivery, DeliveryQuery, DeliveryStatus, DeliverySummary
from heliograph.webhooks.endpoint import ENDPOINT_ID, JOB_URLS, TEST_EVENT, Endpoint

if TYPE_CHECKING:
    from heliograph.access.ports import Pace
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow, EndpointStore


_ONE_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryService:
    """Manages a tenant's deliveries. Methods return `None` for a delivery or endpoint that the tenant does not have.

    Tests and replays go to a receiver whenever somebody asks for them, so each receiver gets one of each a second at
    most: more raise `TooSoon`.

    Every method raises `StorageFailed`; those that send something, `WorkflowFailed` where it could not be begun.
    """

    deliveries: DeliveryStore
    endpoints: EndpointStore
    workflow: DeliveryWorkflow
    clock: Clock
    pace: Pace

    def list(self, query: DeliveryQuery, *, tenant: str) -> Page[DeliverySummary]:
        """Newest first."""
        return self.deliveries.list(tenant, query)

    def find(self, delivery_id: str, *, tenant: str) -> Delivery | None:
        """The delivery, with its message and every attempt."""
        found = self.deliveries.get(delivery_id) if DELIVERY_ID.fullmatch(delivery_id) else None
        return found if found and found.tenant == tenant else None

    def replay(self, delivery_id: str, *, tenant: str) -> Delivery | None:
        """The delivery, which is sent again from the first attempt on; one that is waiting is hastened by it.

        The same message under the same `webhook-id`. Of two at once, one wins. Raises `Conflict` for the other, and
        where the endpoint takes nothing now.
        """
        found = self.find(delivery_id, tenant=tenant)
        if found is None:
            return None
        if found.endpoint_id:
            _check(self.endpoints.get(tenant, found.endpoint_id))
        self._take_turn("replay", tenant, found.endpoint_id or JOB_URLS)
        try:
            return self._begun(self.deliveries.save(found.replayed(self.clock.now())))
        except StaleRecord:
            raise Conflict("changed_meanwhile", "the delivery changed at the same moment; look at it again") from None

    def test(self, endpoint_id: str, *, tenant: str, request_id: str) -> Delivery | None:
        """A delivery of `webhook.test` to the endpoint. Raises `Conflict` where it takes nothing now."""
        endpoint = self.endpoints.get(tenant, endpoint_id) if ENDPOINT_ID.fullmatch(endpoint_id) else None
        if endpoint is None or endpoint.is_for_job_urls:
            return None
        _check(endpoint)
        self._take_turn("test", tenant, endpoint_id)
        now = self.clock.now()
        event = ReceivedEvent(
            type=TEST_EVENT,
            version="1",
            event_id=derived_id("evt", endpoint_id, "test", request_id),
            occurred_at=now.isoformat().replace("+00:00", "Z"),
            data={"tenant": tenant, "endpoint_id": endpoint_id},
        )
        delivery = Delivery.for_event(
            event,
            tenant=tenant,
            receiver_id=endpoint_id,
            endpoint_id=endpoint_id,
            url=endpoint.url,
            skipped=False,
            at=now,
        )
        self.deliveries.add(delivery)
        return self._begun(delivery)

    def _take_turn(self, what: str, tenant: str, receiver: str) -> None:
        if not self.pace.take(f"{what}#{tenant}#{receiver}", self.clock.now(), every=_ONE_EVERY):
            raise TooSoon(f"one {what} a second may be sent to each endpoint", seconds=1)

    def _begun(self, delivery: Delivery) -> Delivery:
        try:
            self.workflow.start(delivery)
        except WorkflowFailed:
            # Nothing carries it: better that it shows as failed than that it waits for nobody.
            with suppress(StaleRecord, StorageFailed):
                self.deliveries.save(delivery.ended(DeliveryStatus.FAILED))
            raise
        return delivery


def _check(endpoint: Endpoint | None) -> None:
    if endpoint is None:
        raise Conflict("endpoint_removed", "its endpoint was removed")
    if not endpoint.is_enabled:
        raise Conflict("endpoint_not_enabled", f"its endpoint is {endpoint.status}: enable it first")
