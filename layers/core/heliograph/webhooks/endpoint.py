"""Webhook endpoints: their URL, event types, status and signing secrets (Standard Webhooks 1.0.0).

No signing secret is stored: each is derived from the deployment's master secret, the endpoint's id, and a version that
a rotation raises.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from heliograph.kernel.errors import InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.kernel.validation import faults_of
from heliograph.storage.references import MAX_URL_CHARACTERS, WEBHOOK_PATTERN, check_webhook_url
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.event_catalogue import EVENT_TYPES

ENDPOINT_ID = re.compile(r"ep_[a-z2-7]{26}")
MAX_ENDPOINTS = 16
# Time for which the previous secret still signs after a rotation.
ROTATION_OVERLAP = timedelta(hours=24)
# Previous secrets that may sign at once: further rotations within the overlap end the oldest.
MAX_RETIRED = 3
# Time for which every attempt must have failed before the endpoint is disabled.
DISABLE_AFTER = timedelta(days=5)
# Public id of the pseudo-endpoint whose secret signs per-job webhook URLs.
JOB_URLS = "jobs"
TEST_EVENT = "webhook.test"
DISABLED_EVENT = "webhook.endpoint.disabled"
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret


class EndpointStatus(StrEnum):
    """Status of an endpoint. People pause it; Heliograph disables it, with a reason. Deliveries are kept meanwhile."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


def _is_printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable characters: terminals show it")
    return value


def _each_once(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(sorted(set(value)))


def _is_an_event_type(value: str) -> str:
    if value not in EVENT_TYPES:
        raise ValueError(f"there is no event {value[:64]!r}; there are {', '.join(sorted(EVENT_TYPES))}")
    return value


# Enumerates the event types in the API description.
_ONE_OF_THEM = Field(json_schema_extra={"enum": [*sorted(EVENT_TYPES)]})
Url = Annotated[
    str,
    Field(
        max_length=MAX_URL_CHARACTERS,
        description="https, to a public host; any port.",
        json_schema_extra={"pattern": WEBHOOK_PATTERN},
    ),
]
EventTypes = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=128), AfterValidator(_is_an_event_type), _ONE_OF_THEM], ...]
    | None,
    Field(min_length=1, max_length=64, description="Which events are sent; null: all, also those there will be."),
    AfterValidator(_each_once),
]
Description = Annotated[str, Field(max_length=256, description="For people."), AfterValidator(_is_printable)]


class _EndpointDocument(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    @field_validator("url", check_fields=False)
    @classmethod
    def _check_url(cls, value: str, info: ValidationInfo) -> str:
        return check_webhook_url(value, local=bool((info.context or {}).get("local")))


class EndpointRequest(_EndpointDocument):
    """Request body of `POST /v1/webhook-endpoints`."""

    url: Url
    events: EventTypes = None
    description: Description = ""


def _without_defaults(schema: dict[str, Any]) -> None:
    # A field that is left out stays as it is.
    for field in schema["properties"].values():
        field.pop("default", None)


class EndpointChange(_EndpointDocument):
    """Request body of `PATCH /v1/webhook-endpoints/{id}`; a field that is left out stays."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: Url = ""
    events: EventTypes = None
    description: Description = ""
    status: Annotated[
        Literal[EndpointStatus.ENABLED, EndpointStatus.PAUSED],
        Field(description="enabled also puts back what we have disabled."),
    ] = EndpointStatus.ENABLED


class RetiredSecret(BaseModel):
    """Version of a previous secret, and the time until which it still signs."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    version: PositiveInt
    valid_until: AwareDatetime


class Endpoint(BaseModel):
    """An endpoint's record."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    endpoint_id: str
    tenant: str
    url: str
    # Event types that it subscribes to; `None`: all.
    events: tuple[str, ...] | None = None
    description: str = ""
    created_at: AwareDatetime
    status: EndpointStatus = EndpointStatus.ENABLED
    # Why and when it was disabled, and whether the event of that was published.
    reason: Literal["gone", "failing"] | None = None
    disabled_at: AwareDatetime | None = None
    announced: bool = True
    # Time of the first failure since the last success.
    failing_since: AwareDatetime | None = None
    secret_version: PositiveInt = 1
    retired: tuple[RetiredSecret, ...] = ()
    revision: int = 0

    @property
    def is_enabled(self) -> bool:
        """Whether events are sent to it."""
        return self.status is EndpointStatus.ENABLED

    @property
    def is_for_job_urls(self) -> bool:
        """Whether this is the pseudo-endpoint whose secret signs per-job webhook URLs."""
        return self.endpoint_id == job_urls_id(self.tenant)

    def subscribes_to(self, event: ReceivedEvent) -> bool:
        """Whether it subscribes to the event's type. It never gets the event of its own disabling."""
        about_itself = event.type == DISABLED_EVENT and event.data.get("endpoint_id") == self.endpoint_id
        return (self.events is None or event.type in self.events) and not about_itself

    def changed(self, change: EndpointChange) -> Endpoint:
        """With a person's change. Another URL, or enabling it, clears its failures."""
        update: dict[str, Any] = {name: getattr(change, name) for name in change.model_fields_set}
        if update.get("status") is not None:
            update |= {"reason": None, "disabled_at": None, "announced": True}
        if update.get("status") is EndpointStatus.ENABLED or update.get("url", self.url) != self.url:
            update["failing_since"] = None
        return self.model_copy(update=update)

    def rotated(self, at: datetime) -> Endpoint:
        """With a new secret; previous ones sign until they expire."""
        retired = (*self.retired, RetiredSecret(version=self.secret_version, valid_until=at + ROTATION_OVERLAP))
        update = {"secret_version": self.secret_version + 1, "retired": retired[-MAX_RETIRED:]}
        return self.model_copy(update=update)

    def signing_versions(self, at: datetime) -> tuple[int, ...]:
        """Versions of the secret that sign at that time, newest first."""
        return (
            self.secret_version,
            *(secret.version for secret in reversed(self.retired) if secret.valid_until > at),
        )

    def after_success(self) -> Endpoint:
        """Without failures, after an accepted delivery."""
        return self.model_copy(update={"failing_since": None})

    def after_failure(self, at: datetime, *, gone: bool) -> Endpoint:
        """Disabled if it is gone for good (410), or if it has failed for `DISABLE_AFTER`."""
        since = self.failing_since or at
        if gone or at - since >= DISABLE_AFTER:
            return self.model_copy(
                update={
                    "status": EndpointStatus.DISABLED,
                    "reason": "gone" if gone else "failing",
                    "disabled_at": at,
                    "announced": False,
                    "failing_since": since,
                }
            )
        return self.model_copy(update={"failing_since": since})


def job_urls_id(tenant: str) -> str:
    """Id of the pseudo-endpoint for a tenant's per-job webhook URLs."""
    return derived_id("ep", tenant, JOB_URLS)


def job_urls_endpoint(tenant: str, at: datetime) -> Endpoint:
    """The pseudo-endpoint for a tenant's per-job webhook URLs, before its first rotation stores it."""
    return Endpoint(endpoint_id=job_urls_id(tenant), tenant=tenant, url="", created_at=at)


def signing_secret(master_secret: str, endpoint_id: str, version: int) -> str:
    """The endpoint's secret of that version: HMAC-SHA256 of id and version with the master secret."""
    digest = hmac.new(master_secret.encode(), f"{endpoint_id}:{version}".encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(digest).decode()


def read_endpoint_request(document: Mapping[str, Any], *, local: bool) -> EndpointRequest:
    """The request in `document`. Raises `InvalidRequest` with every fault."""
    try:
        return EndpointRequest.model_validate(document, context={"local": local})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None


def read_endpoint_change(document: Mapping[str, Any], *, local: bool) -> EndpointChange:
    """The change in `document`. Raises `InvalidRequest` with every fault."""
    try:
        return EndpointChange.model_validate(document, context={"local": local})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None
