"""Webhook endpoints and deliveries as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Listing, Representation, Unreadable
from heliograph.jobs.redaction import masked_url
from heliograph.kernel.pagination import Page, Records, cursor_of
from heliograph.webhooks.delivery import Delivery, DeliveryAttempt, DeliveryStatus, DeliverySummary
from heliograph.webhooks.endpoint import Endpoint, EndpointStatus
from heliograph.webhooks.manage_deliveries import Recovered
from heliograph.webhooks.manage_endpoints import Secret


class EndpointResource(Representation):
    """An endpoint: a URL that receives a tenant's events."""

    id: str
    url: str
    events: Annotated[tuple[str, ...] | None, Field(description="Event types that are sent; null: all.")]
    description: str
    status: Annotated[
        EndpointStatus, Field(description="paused: by you; disabled: by us. Nothing is sent to either; PATCH enables.")
    ]
    reason: Annotated[
        Literal["gone", "failing"] | None,
        Field(description="Why it was disabled: it returned 410, or all attempts of five days failed."),
    ]
    failing_since: Annotated[AwareDatetime | None, Field(description="The first failure since the last success.")]
    disabled_at: AwareDatetime | None
    created_at: AwareDatetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> EndpointResource:
        """The endpoint, without its secret."""
        return cls(**_endpoint_fields(endpoint))


class SecretResource(Representation):
    """The secret that signs messages."""

    secret: Annotated[str, Field(description="`whsec_…`, for a Standard Webhooks library.")]
    version: Annotated[int, Field(ge=1, description="Increased by each rotation.")]
    previous_valid_until: Annotated[
        AwareDatetime | None, Field(description="Until then, messages are also signed with the previous secret.")
    ]

    @classmethod
    def of(cls, secret: Secret) -> SecretResource:
        """The secret."""
        return cls(secret=secret.secret, version=secret.version, previous_valid_until=secret.previous_valid_until)


class NewEndpointResource(EndpointResource):
    """A new endpoint."""

    secret: Annotated[str, Field(description="`whsec_…`, for a Standard Webhooks library.")]

    @classmethod
    def with_secret(cls, endpoint: Endpoint, secret: Secret) -> NewEndpointResource:
        """The endpoint and its first secret."""
        return cls(**_endpoint_fields(endpoint), secret=secret.secret)


class DeliverySummaryResource(Representation):
    """A delivery: one message to one endpoint."""

    id: str
    endpoint_id: Annotated[str | None, Field(description="Null for the URL of a job.")]
    url: Annotated[str, Field(description="URL of the last or first attempt; its query is shown as `?…`.")]
    event_id: Annotated[str, Field(description="The `webhook-id`, the same in every attempt.")]
    event_type: str
    job_id: str | None
    status: Annotated[
        DeliveryStatus, Field(description="skipped: the endpoint was paused, disabled or removed; can be replayed.")
    ]
    tries: Annotated[int, Field(ge=0, description="Attempts since the start or the last replay.")]
    replays: Annotated[int, Field(ge=0)]
    next_attempt_at: AwareDatetime | None
    ended_at: Annotated[
        AwareDatetime | None, Field(description="Time when it was delivered, failed or skipped; null while pending.")
    ]
    created_at: AwareDatetime

    @classmethod
    def of(cls, delivery: DeliverySummary) -> DeliverySummaryResource:
        """Of a list."""
        return cls(**_delivery_fields(delivery))


class DeliveryResource(DeliverySummaryResource):
    """A delivery with its message and its latest attempts."""

    payload: Annotated[str, Field(description="The text that is sent and signed.")]
    attempts: Annotated[tuple[DeliveryAttempt, ...], Field(description="The latest 30, oldest first.")]

    @classmethod
    def whole(cls, delivery: Delivery) -> DeliveryResource:
        """With everything."""
        return cls(**_delivery_fields(delivery), payload=delivery.payload, attempts=delivery.attempts)


class RecoveryResource(Representation):
    """Outcome of a recovery."""

    recovered: Annotated[int, Field(ge=0, description="Number of deliveries that are sent again, 1,000 at most.")]
    has_more: Annotated[bool, Field(description="More deliveries are left: call again with the same `since`.")]
    since: AwareDatetime
    unreadable: Unreadable = ()

    @classmethod
    def of(cls, found: Recovered) -> RecoveryResource:
        """The outcome, as the API shows it."""
        return cls(recovered=found.recovered, has_more=found.has_more, since=found.since, unreadable=found.unreadable)


class EndpointList(Listing[EndpointResource]):
    """A tenant's endpoints, newest first."""

    @classmethod
    def of(cls, endpoints: Records[Endpoint]) -> EndpointList:
        """All of them: they are few."""
        return cls(data=tuple(map(EndpointResource.of, endpoints)), unreadable=endpoints.unreadable)


class DeliveryList(Listing[DeliverySummaryResource]):
    """Deliveries, newest first."""

    @classmethod
    def of(cls, found: Page[DeliverySummary]) -> DeliveryList:
        """A page of the list."""
        return cls(
            data=tuple(map(DeliverySummaryResource.of, found.items)),
            next_cursor=cursor_of(found.end) if found.end else None,
            has_more=found.end is not None,
            unreadable=found.unreadable,
        )


def _endpoint_fields(endpoint: Endpoint) -> dict[str, object]:
    copied = ("url", "events", "description", "status", "reason", "failing_since", "disabled_at", "created_at")
    return {"id": endpoint.endpoint_id, **{name: getattr(endpoint, name) for name in copied}}


def _delivery_fields(delivery: DeliverySummary) -> dict[str, object]:
    copied = ("endpoint_id", "event_id", "event_type", "job_id", "status", "tries", "next_attempt_at", "ended_at")
    return {
        "id": delivery.delivery_id,
        **{name: getattr(delivery, name) for name in copied},
        "url": masked_url(delivery.url),
        "replays": delivery.series - 1,
        "created_at": delivery.created_at,
    }
