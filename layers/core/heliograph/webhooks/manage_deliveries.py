"""List, read, replay and recover webhook deliveries; send test deliveries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.kernel.errors import Conflict, StaleRecord, StorageFailed, TooSoon, WorkflowFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import Page
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import (
    DELIVERY_ID,
    MAX_RECOVERED,
    Delivery,
    DeliveryQuery,
    DeliveryStatus,
    DeliverySummary,
    read_recovery,
    recovery_due,
)
from heliograph.webhooks.endpoint import ENDPOINT_ID, JOB_URLS, TEST_EVENT, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.access.ports import Pace
    from heliograph.kernel.ports import Clock, Together
    from heliograph.webhooks.ports import DeliveryStore, DeliveryWorkflow, EndpointStore


_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
# Time in which a recovery starts deliveries: the gateway waits for 29 s, and the last starts still have to end.
_RECOVERY_TIME = timedelta(seconds=15)
_RECOVERY_BATCH = 40


@dataclass(frozen=True, slots=True)
class Recovered:
    """Result of a recovery. `has_more` says whether another call would find more deliveries since that time.

    `unreadable` has the ids of deliveries whose records cannot be read.
    """

    since: datetime
    recovered: int
    has_more: bool
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryService:
    """Manages a tenant's deliveries. Methods return `None` for a delivery or endpoint that the tenant does not have.

    Each receiver gets at most one test and one replay a second, and one recovery a minute; more raise `TooSoon`.
    Every method raises `StorageFailed`; `replay` and `test` raise `WorkflowFailed` if the delivery could not be
    started.
    """

    deliveries: DeliveryStore
    endpoints: EndpointStore
    workflow: DeliveryWorkflow
    clock: Clock
    pace: Pace
    together: Together

    def list(self, query: DeliveryQuery, *, tenant: str) -> Page[DeliverySummary]:
        """The tenant's deliveries that match, newest first."""
        return self.deliveries.list(tenant, query)

    def find(self, delivery_id: str, *, tenant: str) -> Delivery | None:
        """The delivery, with its message and attempts."""
        found = self.deliveries.get(delivery_id) if DELIVERY_ID.fullmatch(delivery_id) else None
        return found if found and found.tenant == tenant else None

    def replay(self, delivery_id: str, *, tenant: str) -> Delivery | None:
        """Sends the delivery again at once, with a new series of attempts, also if it is still pending.

        The message and its `webhook-id` stay the same. Raises `Conflict` if a concurrent replay won, and if the
        endpoint is not enabled.
        """
        found = self.find(delivery_id, tenant=tenant)
        if found is None:
            return None
        if found.endpoint_id:
            _check_enabled(self.endpoints.get(tenant, found.endpoint_id))
        self._limit_rate("replay", tenant, found.endpoint_id or JOB_URLS, every=_SECOND)
        try:
            return self._started(self.deliveries.save(found.replayed(self.clock.now())))
        except StaleRecord:
            raise Conflict("changed_meanwhile", "the delivery changed at the same moment; read it again") from None

    def recover(self, endpoint_id: str, document: Mapping[str, Any], *, tenant: str) -> Recovered | None:
        """Replays the endpoint's deliveries that failed or were skipped since a time, oldest first, a thousand at most.

        Their attempts are spread over a minute. Pending and delivered ones are left alone, so a repeated call sends
        nothing twice and continues where this one ended. Raises `InvalidRequest` with every fault, and `Conflict` if
        the endpoint is not enabled.
        """
        began_at = self.clock.now()
        since = read_recovery(document, now=began_at).since
        endpoint = self._endpoint(endpoint_id, tenant)
        if endpoint is None:
            return None
        _check_enabled(endpoint)
        self._limit_rate("recovery", tenant, endpoint_id, every=_MINUTE)
        # One more than is sent, to find out whether there are more.
        found = self.deliveries.undelivered(endpoint_id, since, limit=MAX_RECOVERED + 1)
        sent: dict[str, bool | None] = {}
        while len(sent) < min(len(found), MAX_RECOVERED) and self.clock.now() < began_at + _RECOVERY_TIME:
            places = range(len(sent), min(len(sent) + _RECOVERY_BATCH, len(found), MAX_RECOVERED))
            due = {found[place]: recovery_due(place, found[place], began_at) for place in places}
            again = self.together([partial(self._recover_one, *each, tenant=tenant) for each in due.items()])
            sent |= dict(zip(due, again, strict=True))
        return Recovered(
            since,
            recovered=sum(one is True for one in sent.values()),
            has_more=len(sent) < len(found),
            unreadable=tuple(name for name, one in sent.items() if one is None),
        )

    def _recover_one(self, delivery_id: str, due: datetime, *, tenant: str) -> bool | None:
        """Whether the delivery was replayed; `None` if its record cannot be read, which delays no other."""
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
        # A delivery that could not be started is left to the sweep, so that the others are not delayed.
        with suppress(WorkflowFailed):
            self.workflow.start(delivery)
        return True

    def test(self, endpoint_id: str, *, tenant: str, request_id: str) -> Delivery | None:
        """Sends the event `webhook.test` to the endpoint. Raises `Conflict` if the endpoint is not enabled."""
        endpoint = self._endpoint(endpoint_id, tenant)
        if endpoint is None:
            return None
        _check_enabled(endpoint)
        self._limit_rate("test", tenant, endpoint_id, every=_SECOND)
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
        return self._started(delivery)

    def _endpoint(self, endpoint_id: str, tenant: str) -> Endpoint | None:
        found = self.endpoints.get(tenant, endpoint_id) if ENDPOINT_ID.fullmatch(endpoint_id) else None
        return None if found is None or found.is_for_job_urls else found

    def _limit_rate(self, action: str, tenant: str, receiver: str, *, every: timedelta) -> None:
        if not self.pace.take(f"{action}#{tenant}#{receiver}", self.clock.now(), every=every):
            interval = "minute" if every == _MINUTE else "second"
            raise TooSoon(f"one {action} a {interval} may be sent to each endpoint", seconds=int(every.total_seconds()))

    def _started(self, delivery: Delivery) -> Delivery:
        try:
            self.workflow.start(delivery)
        except WorkflowFailed:
            # It has no execution: as a failed delivery it is visible, and can be replayed.
            with suppress(StaleRecord, StorageFailed):
                self.deliveries.save(delivery.ended(DeliveryStatus.FAILED, self.clock.now()))
            raise
        return delivery


def _check_enabled(endpoint: Endpoint | None) -> None:
    if endpoint is None:
        raise Conflict("endpoint_removed", "its endpoint was removed")
    if not endpoint.is_enabled:
        raise Conflict("endpoint_not_enabled", f"its endpoint is {endpoint.status}: enable it first")
