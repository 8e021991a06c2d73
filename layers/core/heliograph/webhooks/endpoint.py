"""Webhook endpoints: where a tenant's events are sent, which of them, and signed with what (Standard Webhooks 1.0.0).

No secret is kept: each is derived from the deployment's own, the endpoint's id and a version that a rotation raises.
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
from heliograph.kernel.tenants import DEFAULT_TENANT, EVERYBODY, KEY_ACCOUNT
from heliograph.kernel.validation import faults_of
from heliograph.storage.references import MAX_URL_CHARACTERS, WEBHOOK_PATTERN, check_webhook_url
from heliograph.webhooks.event_catalogue import EVENT_TYPES

ENDPOINT_ID = re.compile(r"ep_[a-z2-7]{26}")
MOST_ENDPOINTS = 16
# How long the secret before the last rotation still signs as well.
OVERLAP = timedelta(hours=24)
# Of secrets that still sign: more rotations than that within the overlap end the oldest.
MOST_RETIRED = 3
# How long every attempt at an endpoint may fail before it is disabled.
PATIENCE = timedelta(days=5)
# The id under which the secret of the URLs given with jobs is found.
JOB_URLS = "jobs"
TEST_EVENT = "webhook.test"
DISABLED_EVENT = "webhook.endpoint.disabled"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with is none


class EndpointStatus(StrEnum):
    """`paused`: by a person. `disabled`: by us, with a reason. To neither is anything sent, and nothing is lost."""

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


# The contract's own names, for the API's description.
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


class _Asked(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    @field_validator("url", check_fields=False)
    @classmethod
    def _leads_outside(cls, value: str, info: ValidationInfo) -> str:
        return check_webhook_url(value, local=bool((info.context or {}).get("local")))


class EndpointRequest(_Asked):
    """What somebody may ask for who registers an endpoint."""

    url: Url
    events: EventTypes = None
    description: Description = ""


def _without_defaults(schema: dict[str, Any]) -> None:
    # What is left out stays as it is.
    for field in schema["properties"].values():
        field.pop("default", None)


class EndpointChange(_Asked):
    """What may be changed of an endpoint; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: Url = ""
    events: EventTypes = None
    description: Description = ""
    status: Annotated[
        Literal[EndpointStatus.ENABLED, EndpointStatus.PAUSED],
        Field(description="enabled also puts back what we have disabled."),
    ] = EndpointStatus.ENABLED


class RetiredSecret(BaseModel):
    """The version of a secret that was rotated, and until when it still signs."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    version: PositiveInt
    valid_until: AwareDatetime


class Endpoint(BaseModel):
    """A receiver's record. `events`: what it chose; `None`: everything."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    endpoint_id: str
    tenant: str
    url: str
    events: tuple[str, ...] | None = None
    description: str = ""
    created_at: AwareDatetime
    status: EndpointStatus = EndpointStatus.ENABLED
    # Why we disabled it, when, and whether the bus was told.
    reason: Literal["gone", "failing"] | None = None
    disabled_at: AwareDatetime | None = None
    announced: bool = True
    # The first failure since the last success.
    failing_since: AwareDatetime | None = None
    secret_version: PositiveInt = 1
    retired: tuple[RetiredSecret, ...] = ()
    revision: int = 0

    @property
    def takes_deliveries(self) -> bool:
        """Whether anything is sent to it."""
        return self.status is EndpointStatus.ENABLED

    @property
    def is_of_job_urls(self) -> bool:
        """Whether it is no endpoint, but stands for the tenant's URLs that are given with jobs."""
        return self.endpoint_id == job_urls_id(self.tenant)

    def wants(self, event: ReceivedEvent) -> bool:
        """Whether it chose events of that type. Of its own end it is never told."""
        about_itself = event.type == DISABLED_EVENT and event.data.get("endpoint_id") == self.endpoint_id
        return (self.events is None or event.type in self.events) and not about_itself

    def changed(self, change: EndpointChange) -> Endpoint:
        """After what a person asked for. Another URL, or being enabled, begins its health anew."""
        update: dict[str, Any] = {name: getattr(change, name) for name in change.model_fields_set}
        if update.get("status") is not None:
            update |= {"reason": None, "disabled_at": None, "announced": True}
        if update.get("status") is EndpointStatus.ENABLED or update.get("url", self.url) != self.url:
            update["failing_since"] = None
        return self.model_copy(update=update)

    def rotated(self, at: datetime) -> Endpoint:
        """With a new secret; those before it go on signing until their time is over."""
        retired = (*self.retired, RetiredSecret(version=self.secret_version, valid_until=at + OVERLAP))
        update = {"secret_version": self.secret_version + 1, "retired": retired[-MOST_RETIRED:]}
        return self.model_copy(update=update)

    def versions_at(self, at: datetime) -> tuple[int, ...]:
        """The versions of the secret that sign at that time, the newest first."""
        return (
            self.secret_version,
            *(secret.version for secret in reversed(self.retired) if secret.valid_until > at),
        )

    def after_success(self) -> Endpoint:
        """It took something: whatever failed before is forgiven."""
        return self.model_copy(update={"failing_since": None})

    def after_failure(self, at: datetime, *, gone: bool) -> Endpoint:
        """Disabled if it is gone for good (410), or if it has failed for long."""
        since = self.failing_since or at
        if gone or at - since >= PATIENCE:
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


class ReceivedEvent(BaseModel):
    """An event as it arrives from the bus, whatever its type: also of a release later than this."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    type: str
    version: str
    event_id: str
    occurred_at: str
    data: dict[str, Any]

    @property
    def tenant(self) -> str:
        """Whose it is: the tenant that it names; else the owner of the deployment."""
        account = self.data.get("account")
        if account is not None:  # of a budget, which may be everybody's or a key's
            ours = account == EVERYBODY or KEY_ACCOUNT.fullmatch(str(account))
            return DEFAULT_TENANT if ours else str(account)
        return str(self.data.get("tenant") or DEFAULT_TENANT)

    @property
    def job_id(self) -> str | None:
        """The job it is about."""
        job_id = self.data.get("job_id")
        return str(job_id) if job_id else None


def job_urls_id(tenant: str) -> str:
    """The id of what stands for a tenant's URLs that are given with jobs."""
    return derived_id("ep", tenant, JOB_URLS)


def job_urls_of(tenant: str, at: datetime) -> Endpoint:
    """What stands for a tenant's URLs that are given with jobs, before anything of it was written."""
    return Endpoint(endpoint_id=job_urls_id(tenant), tenant=tenant, url="", created_at=at)


def secret_of(master: str, endpoint_id: str, version: int) -> str:
    """The endpoint's secret of that version: HMAC-SHA256 of its name, by the deployment's own secret."""
    digest = hmac.new(master.encode(), f"{endpoint_id}:{version}".encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(digest).decode()


def read_endpoint_request(document: Mapping[str, Any], *, local: bool) -> EndpointRequest:
    """The request in `document`. Raises `InvalidRequest` that names every fault at once."""
    try:
        return EndpointRequest.model_validate(document, context={"local": local})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None


def read_endpoint_change(document: Mapping[str, Any], *, local: bool) -> EndpointChange:
    """The change in `document`. Raises `InvalidRequest` that names every fault at once."""
    try:
        return EndpointChange.model_validate(document, context={"local": local})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None
