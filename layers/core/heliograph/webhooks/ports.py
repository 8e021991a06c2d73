"""Ports of webhooks: the stores of endpoints and deliveries, the workflow, the sender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.kernel.pagination import Page, Records
    from heliograph.webhooks.delivery import Delivery, DeliveryQuery, DeliverySummary, WebhookResponse
    from heliograph.webhooks.endpoint import Endpoint


class EndpointStore(Protocol):
    """Webhook endpoints, by tenant. Every method raises `StorageFailed` if the store fails."""

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint as it is now (a consistent read)."""
        ...

    def list_for(self, tenant: str) -> Records[Endpoint]:
        """All endpoints of the tenant, and its pseudo-endpoint (a consistent read)."""
        ...

    def save(self, endpoint: Endpoint) -> Endpoint:
        """Writes an endpoint, new (revision 0) or changed; returns it with its new revision.

        Raises `StaleRecord` if it was changed or deleted meanwhile.
        """
        ...

    def delete(self, endpoint: Endpoint) -> None:
        """Deletes the endpoint, whatever its revision."""
        ...


class DeliveryStore(Protocol):
    """Webhook deliveries. Every method raises `StorageFailed` if the store fails."""

    def add(self, delivery: Delivery) -> bool:
        """Writes a new delivery; `False` if the id exists. Of concurrent calls, one wins."""
        ...

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery as it is now (a consistent read)."""
        ...

    def save(self, delivery: Delivery) -> Delivery:
        """Writes a changed delivery; returns it with its new revision. Raises `StaleRecord` if it changed meanwhile."""
        ...

    def list(self, tenant: str, query: DeliveryQuery) -> Page[DeliverySummary]:
        """The tenant's deliveries that match, newest first; eventually consistent."""
        ...

    def undelivered(self, endpoint_id: str, since: datetime, *, limit: int) -> Sequence[str]:
        """The ids of the endpoint's deliveries that failed or were skipped at that time or later, longest ago first.

        One of a moment ago may be missing, and one that was replayed a moment ago may still be there.
        """
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Ids of deliveries whose `attention_at` has passed, longest overdue first; eventually consistent.

        `postpone_attention` moves that time.
        """
        ...

    def postpone_attention(self, delivery_id: str, until: datetime) -> None:
        """Moves `attention_at` of a pending delivery, until its next change. Leaves the delivery itself unchanged."""
        ...


class WebhookSender(Protocol):
    """Sends signed messages to URLs that tenants chose."""

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookResponse:
        """Makes one attempt, signed with each secret. Never raises for faults of the receiver or its network."""
        ...


class DeliveryWorkflow(Protocol):
    """The state machine that runs the attempts of a delivery."""

    def start(self, delivery: Delivery) -> bool:
        """Starts the execution of the current series; `False` if it has ended already. Raises `WorkflowFailed`."""
        ...
