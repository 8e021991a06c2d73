"""Deliveries as their tenant sees them: listed, looked at, replayed, recovered; and one that is a test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.kernel.errors import Conflict, StaleRecord, StorageFailed, TooSoon, WorkflowFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import Page
from heliograph.webhooks.delivery import (
    DELIVERY_ID,
    MOST_RECOVERED,
    Delivery,
    DeliveryQuery,
    DeliveryStatus,
    DeliverySummary,
    read_recovery,
    recovery_due,
)
from heliograph.webhooks.endpoint import ENDPOINT_ID, JOB_URLS, TEST_EVENT, Endpoint, ReceivedEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.access.ports import Throttle
    from heliograph.kernel.ports import Clock, Together
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow, EndpointStore


_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
# Of a recovery: the gateway waits for 29 s, and what has begun by then still has to end.
_BEGINNING = timedelta(seconds=15)
_BEGUN_TOGETHER = 40


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came of a recovery. `has_more`: whether another call finds more since that time.

    `unreadable`: the ids of deliveries whose records can't be read.
    """

    since: datetime
    recovered: int
    has_more: bool
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Where tenants look after their deliveries. Another tenant's are `None`, as if there were none.

    Tests and replays go to a receiver whenever somebody asks for them, so each receiver gets one of each a second at
    most, and one recovery a minute: more raise `TooSoon`.

    Every method raises `StorageFailed`; those that send something, `WorkflowFailed` where it could not be begun.
    """

    deliveries: DeliveryStore
    endpoints: EndpointStore
    workflow: DeliveryWorkflow
    clock: Clock
    pace: Throttle
    together: Together

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
        self._take_turn("replay", tenant, found.endpoint_id or JOB_URLS, every=_SECOND)
        try:
            return self._begun(self.deliveries.save(found.replayed(self.clock.now())))
        except StaleRecord:
            raise Conflict("changed_meanwhile", "the delivery changed at the same moment; look at it again") from None

    def recover(self, endpoint_id: str, document: Mapping[str, Any], *, tenant: str) -> Recovered | None:
        """Sends the endpoint again what failed or was skipped since a time, longest ago first: a thousand at most.

        Each as a replay would, but spread over a minute. What is on its way, or has arrived, is left alone, so a repeat
        sends nothing twice and goes on where this call ended. Raises `InvalidRequest` with every fault, and `Conflict`
        where the endpoint takes nothing now.
        """
        began_at = self.clock.now()
        since = read_recovery(document, now=began_at).since
        endpoint = self._endpoint(endpoint_id, tenant)
        if endpoint is None:
            return None
        _check(endpoint)
        self._take_turn("recovery", tenant, endpoint_id, every=_MINUTE)
        # One more than will be sent: that shows whether there is more.
        found = self.deliveries.undelivered(endpoint_id, since, limit=MOST_RECOVERED + 1)
        sent: dict[str, bool | None] = {}
        while len(sent) < min(len(found), MOST_RECOVERED) and self.clock.now() < began_at + _BEGINNING:
            places = range(len(sent), min(len(sent) + _BEGUN_TOGETHER, len(found), MOST_RECOVERED))
            due = {found[place]: recovery_due(place, found[place], began_at) for place in places}
            again = self.together([partial(self._send_again, *each, tenant=tenant) for each in due.items()])
            sent |= dict(zip(due, again, strict=True))
        return Recovered(
            since,
            recovered=sum(one is True for one in sent.values()),
            has_more=len(sent) < len(found),
            unreadable=tuple(name for name, one in sent.items() if one is None),
        )

    def _send_again(self, delivery_id: str, due: datetime, *, tenant: str) -> bool | None:
        """Whether it was still to be recovered; `None` if its record can't be read, which keeps no other waiting."""
        try:
            found = self.deliveries.get(delivery_id)
        except StorageFailed as error:
            if error.unreadable is None:
                raise
            return None
        if found is None or found.tenant != tenant or found.undelivered_at is None:
            return False
        try:
            delivery = self.deliveries.save(found.replayed(self.clock.now(), due=due))
        except StaleRecord:
            return False
        # Where it could not be begun, the sweep of lost deliveries begins it: the others go first.
        with suppress(WorkflowFailed):
            self.workflow.start(delivery)
        return True

    def test(self, endpoint_id: str, *, tenant: str, request_id: str) -> Delivery | None:
        """A delivery of `webhook.test` to the endpoint. Raises `Conflict` where it takes nothing now."""
        endpoint = self._endpoint(endpoint_id, tenant)
        if endpoint is None:
            return None
        _check(endpoint)
        self._take_turn("test", tenant, endpoint_id, every=_SECOND)
        now = self.clock.now()
        event = ReceivedEvent(
            type=TEST_EVENT,
            version="1",
            event_id=derived_id("evt", endpoint_id, "test", request_id),
            occurred_at=now.isoformat().replace("+00:00", "Z"),
            data={"tenant": tenant, "endpoint_id": endpoint_id},
        )
        delivery = Delivery.of(
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

    def _endpoint(self, endpoint_id: str, tenant: str) -> Endpoint | None:
        found = self.endpoints.get(tenant, endpoint_id) if ENDPOINT_ID.fullmatch(endpoint_id) else None
        return None if found is None or found.is_of_job_urls else found

    def _take_turn(self, what: str, tenant: str, receiver: str, *, every: timedelta) -> None:
        if not self.pace.take(f"{what}#{tenant}#{receiver}", self.clock.now(), every=every):
            often = "minute" if every == _MINUTE else "second"
            raise TooSoon(f"one {what} a {often} may be sent to each endpoint", seconds=int(every.total_seconds()))

    def _begun(self, delivery: Delivery) -> Delivery:
        try:
            self.workflow.start(delivery)
        except WorkflowFailed:
            # Nothing carries it: better that it shows as failed than that it waits for nobody.
            with suppress(StaleRecord, StorageFailed):
                self.deliveries.save(delivery.ended(DeliveryStatus.FAILED, self.clock.now()))
            raise
        return delivery


def _check(endpoint: Endpoint | None) -> None:
    if endpoint is None:
        raise Conflict("endpoint_removed", "its endpoint was removed")
    if not endpoint.takes_deliveries:
        raise Conflict("endpoint_not_enabled", f"its endpoint is {endpoint.status}: enable it first")
