"""Ports of webhooks: endpoints, deliveries, their workflow, the sender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.kernel.pagination import Page, Records
    from heliograph.webhooks.delivery import Delivery, DeliveryQuery, DeliverySummary, WebhookAnswer
    from heliograph.webhooks.endpoint import Endpoint


class EndpointStore(Protocol):
    """Webhook endpoints, by tenant. Every method raises `StorageFailed` when the store does not do its part."""

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint as it is now (a consistent read)."""
        ...

    def of(self, tenant: str) -> Records[Endpoint]:
        """All records of the tenant (a consistent read)."""
        ...

    def save(self, endpoint: Endpoint) -> Endpoint:
        """Writes an endpoint, new (revision 0) or changed; returns it with its new revision.

        Raises `StaleRecord` if somebody else was faster, also with removing it.
        """
        ...

    def remove(self, endpoint: Endpoint) -> None:
        """Forgets it, whatever has become of it."""
        ...


class DeliveryStore(Protocol):
    """Deliveries of webhooks. Every method raises `StorageFailed` when the store does not do its part."""

    def add(self, delivery: Delivery) -> bool:
        """Writes a new delivery; `False`, and nothing written, if that id is taken. Of many at once, one wins."""
        ...

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery as it is now (a consistent read)."""
        ...

    def save(self, delivery: Delivery) -> Delivery:
        """Writes a changed delivery; returns it with its new revision. Raises `StaleRecord` if another was faster."""
        ...

    def list(self, tenant: str, query: DeliveryQuery) -> Page[DeliverySummary]:
        """The tenant's deliveries that fit, newest first (one of a moment ago may be too fresh)."""
        ...

    def undelivered(self, endpoint_id: str, since: datetime, *, limit: int) -> Sequence[str]:
        """The ids of the endpoint's deliveries that failed or were skipped at that time or later, longest ago first.

        One of a moment ago may be missing, and one that was replayed a moment ago may still be there.
        """
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """The ids of deliveries whose `attention_at` has passed (a moment ago may be too fresh), longest overdue first.

        It has passed of none before the time that `look_again` named.
        """
        ...

    def look_again(self, delivery_id: str, at: datetime) -> None:
        """Until then nobody need look after it, if it stays as it is; changes nothing of the delivery itself."""
        ...


class WebhookSender(Protocol):
    """Sends signed messages to strangers."""

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookAnswer:
        """One attempt, signed with each of `secrets`. Never raises for what the receiver, its name or the net do."""
        ...


class DeliveryWorkflow(Protocol):
    """The state machine that carries a delivery from attempt to attempt."""

    def start(self, delivery: Delivery) -> bool:
        """Starts the one execution of its present series; `False` if there has been one. Raises `WorkflowFailed`."""
        ...
