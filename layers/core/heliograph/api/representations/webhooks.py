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


class EndpointTold(Representation):
    """A receiver of a tenant's events."""

    id: str
    url: str
    events: Annotated[tuple[str, ...] | None, Field(description="What is sent; null: everything.")]
    description: str
    status: Annotated[
        EndpointStatus, Field(description="paused: by you; disabled: by us. Neither is sent anything; PATCH enables.")
    ]
    reason: Annotated[
        Literal["gone", "failing"] | None,
        Field(description="Why we disabled it: it answered 410, or every attempt of five days failed."),
    ]
    failing_since: Annotated[AwareDatetime | None, Field(description="The first failure since the last success.")]
    disabled_at: AwareDatetime | None
    created_at: AwareDatetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> EndpointTold:
        """The endpoint, without its secret."""
        return cls(**_told(endpoint))


class SecretTold(Representation):
    """What messages are signed with."""

    secret: Annotated[str, Field(description="`whsec_…`: for the library of Standard Webhooks that verifies.")]
    version: Annotated[int, Field(ge=1, description="A rotation raises it.")]
    previous_valid_until: Annotated[
        AwareDatetime | None, Field(description="Until then messages are signed with the secret before as well.")
    ]

    @classmethod
    def of(cls, secret: Secret) -> SecretTold:
        """The secret."""
        return cls(secret=secret.secret, version=secret.version, previous_valid_until=secret.previous_valid_until)


class NewEndpointTold(EndpointTold):
    """An endpoint that was just registered."""

    secret: Annotated[str, Field(description="`whsec_…`: for the library of Standard Webhooks that verifies.")]

    @classmethod
    def with_secret(cls, endpoint: Endpoint, secret: Secret) -> NewEndpointTold:
        """The endpoint and its first secret."""
        return cls(**_told(endpoint), secret=secret.secret)


class DeliverySummaryTold(Representation):
    """One message to one receiver."""

    id: str
    endpoint_id: Annotated[str | None, Field(description="null: to the URL that was given with the job.")]
    url: Annotated[str, Field(description="Where it was sent last, or will be first; of its query, only `?…`.")]
    event_id: Annotated[str, Field(description="`webhook-id`, the same at every attempt.")]
    event_type: str
    job_id: str | None
    status: Annotated[
        DeliveryStatus, Field(description="skipped: its endpoint was paused, disabled or removed; replay it.")
    ]
    tries: Annotated[int, Field(ge=0, description="Attempts since it began, or since its last replay.")]
    replays: Annotated[int, Field(ge=0)]
    next_attempt_at: AwareDatetime | None
    ended_at: Annotated[
        AwareDatetime | None, Field(description="When it was delivered, failed or skipped; null while pending.")
    ]
    created_at: AwareDatetime

    @classmethod
    def of(cls, delivery: DeliverySummary) -> DeliverySummaryTold:
        """Of a list."""
        return cls(**_summary(delivery))


class DeliveryTold(DeliverySummaryTold):
    """A delivery with its message and its latest attempts."""

    payload: Annotated[str, Field(description="The very text that is sent and signed.")]
    attempts: Annotated[tuple[DeliveryAttempt, ...], Field(description="The latest 30, oldest first.")]

    @classmethod
    def whole(cls, delivery: Delivery) -> DeliveryTold:
        """With everything."""
        return cls(**_summary(delivery), payload=delivery.payload, attempts=delivery.attempts)


class RecoveredTold(Representation):
    """What a recovery has begun."""

    recovered: Annotated[int, Field(ge=0, description="How many deliveries are sent again, 1,000 at most.")]
    has_more: Annotated[bool, Field(description="Whether there is more to recover: call again with the same `since`.")]
    since: AwareDatetime
    unreadable: Unreadable = ()

    @classmethod
    def of(cls, found: Recovered) -> RecoveredTold:
        """What the desk has done."""
        return cls(recovered=found.recovered, has_more=found.has_more, since=found.since, unreadable=found.unreadable)


def endpoints_listed(endpoints: Records[Endpoint]) -> Listing[EndpointTold]:
    """All of them: they are few."""
    return Listing[EndpointTold](data=tuple(map(EndpointTold.of, endpoints)), unreadable=endpoints.unreadable)


def deliveries_listed(found: Page[DeliverySummary]) -> Listing[DeliverySummaryTold]:
    """A slice of them."""
    return Listing[DeliverySummaryTold](
        data=tuple(map(DeliverySummaryTold.of, found.items)),
        next_cursor=cursor_of(found.end) if found.end else None,
        has_more=found.end is not None,
        unreadable=found.unreadable,
    )


def _told(endpoint: Endpoint) -> dict[str, object]:
    told = ("url", "events", "description", "status", "reason", "failing_since", "disabled_at", "created_at")
    return {"id": endpoint.endpoint_id, **{name: getattr(endpoint, name) for name in told}}


def _summary(delivery: DeliverySummary) -> dict[str, object]:
    told = ("endpoint_id", "event_id", "event_type", "job_id", "status", "tries", "next_attempt_at", "ended_at")
    return {
        "id": delivery.delivery_id,
        **{name: getattr(delivery, name) for name in told},
        "url": masked_url(delivery.url),
        "replays": delivery.series - 1,
        "created_at": delivery.created_at,
    }
