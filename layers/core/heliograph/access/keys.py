"""API keys: their tenant, scopes and limits. The key itself is shown once and stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from heliograph.kernel.errors import InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.kernel.json_types import JSON_INTEGER
from heliograph.kernel.moments import Moment
from heliograph.kernel.money import microdollars
from heliograph.kernel.tenants import DEFAULT_TENANT, KEY_ACCOUNT, Budget, TenantName
from heliograph.kernel.validation import faults_of

PREFIX = "hg_"
KEY_ID = KEY_ACCOUNT
# Letters, digits, - and _: 43 of them carry 256 bits.
_KEY = re.compile(r"hg_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """Permissions of a key. `admin` opens everything of its tenant; with the tenant `default`, of all tenants."""

    JOBS_WRITE = "jobs:write"
    JOBS_READ = "jobs:read"
    ADMIN = "admin"


class Origin(StrEnum):
    """Makers of keys that have no key record: the deployment's own key, and an operator at the command line."""

    DEPLOYMENT = "deployment"
    OPERATOR = "operator"


class Caller(BaseModel):
    """The caller of the API: the part of a key that the functions behind the authorizer need."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    tenant: str
    scopes: frozenset[Scope]
    # `None` for the deployment's own key.
    key_id: str | None = None
    daily_budget_microusd: int | None = None
    requests_per_minute: int | None = None

    @property
    def account(self) -> str:
        """Name under which its calls are counted: the key's id, or `own` for the deployment's own key."""
        return self.key_id or "own"

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def governs(self, tenant: str) -> bool:
        """Whether the key manages the keys and sees the usage of a tenant: its own, or any if it is an operator's."""
        return Scope.ADMIN in self.scopes and self.tenant in (DEFAULT_TENANT, tenant)

    @property
    def is_operator(self) -> bool:
        """Whether the key is for all tenants: `admin`, of the tenant `default`."""
        return Scope.ADMIN in self.scopes and self.tenant == DEFAULT_TENANT


def _check_name(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("must say something, in printable characters: terminals show it")
    return value


def _describe_as_list(schema: dict[str, Any]) -> None:
    # Duplicates are harmless, and a set has no order that a default could show.
    schema.pop("uniqueItems")
    schema["default"] = [Scope.JOBS_WRITE.value, Scope.JOBS_READ.value]


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


KeyName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_check_name),
    Field(description="For people, in printable characters.", examples=["web shop"]),
]
DailyBudget = Annotated[
    Budget | None, Field(description="What its jobs may cost in a UTC day; no limit of its own unless given.")
]
Rate = Annotated[
    int | None,
    Field(gt=0, le=60_000, strict=True, description="Calls a minute; as many as `CallsPerMinute` unless given."),
    JSON_INTEGER,
]
Expiry = Annotated[
    Moment | None,
    Field(description="From then on it opens nothing, at most a minute later; never unless given."),
]


class KeyRequest(BaseModel):
    """Request body of `POST /v1/keys`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    name: KeyName
    tenant: Annotated[
        TenantName,
        Field(
            description="Whose jobs it sees and makes; unless given, its maker's tenant.",
            json_schema_extra=_without_default,
        ),
    ] = DEFAULT_TENANT
    scopes: Annotated[
        frozenset[Scope],
        Field(
            min_length=1,
            description="What it opens; `admin` opens everything of its tenant, and with the tenant `default` of all.",
            json_schema_extra=_describe_as_list,
        ),
    ] = frozenset({Scope.JOBS_WRITE, Scope.JOBS_READ})
    daily_budget_usd: DailyBudget = None
    requests_per_minute: Rate = None
    expires_at: Expiry = None


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class KeyChange(BaseModel):
    """Request body of `PATCH /v1/keys/{id}`: a field that is left out stays, and `null` removes a limit."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", json_schema_extra=_without_defaults)

    name: KeyName = ""
    daily_budget_usd: DailyBudget = None
    requests_per_minute: Rate = None
    expires_at: Expiry = None

    @property
    def changed_fields(self) -> dict[str, Any]:
        """The fields to change, with their new values."""
        return self.model_dump(include=self.model_fields_set)


class MadeKeys(StrEnum):
    """Treatment of the keys that a revoked key has made."""

    KEEP = "keep"
    REVOKE = "revoke"


class RevocationQuery(BaseModel):
    """Query of `DELETE /v1/keys/{id}`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    made: Annotated[
        MadeKeys,
        Field(description="`revoke`: also every key that it made, and that those made; for a key that was stolen."),
    ] = MadeKeys.KEEP


class ApiKey(BaseModel):
    """A key's record."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    key_id: str
    # SHA-256 of the key, in hex.
    digest: str
    name: str
    tenant: str
    scopes: frozenset[Scope]
    created_at: AwareDatetime
    # Id of the key that made it, or its `Origin`; `None` for keys of releases that did not record it.
    made_by: str | None = None
    daily_budget_usd: str | None = None
    requests_per_minute: int | None = None
    expires_at: AwareDatetime | None = None
    # Precise to about a minute. Not part of the stored record: the functions that record uses may not write keys.
    last_used_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    # Number of changes to the record.
    revision: int = 0

    @classmethod
    def of(cls, key: str, request: KeyRequest, at: AwareDatetime, *, made_by: str | None = None) -> ApiKey:
        """The record of a new key."""
        digest = digest_of(key)
        return cls(key_id=key_id_of(key), digest=digest, created_at=at, made_by=made_by, **request.model_dump())

    def is_valid(self, at: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def matches(self, key: str, at: datetime) -> bool:
        """Whether this is the record of that key, and the key is valid. Compares in constant time."""
        return hmac.compare_digest(self.digest, digest_of(key)) and self.is_valid(at)

    def caller(self) -> Caller:
        """The caller that uses this key."""
        budget = self.daily_budget_usd
        return Caller(
            tenant=self.tenant,
            scopes=self.scopes,
            key_id=self.key_id,
            daily_budget_microusd=microdollars(budget) if budget else None,
            requests_per_minute=self.requests_per_minute,
        )


def read_key_request(document: Mapping[str, Any], *, tenant: str = DEFAULT_TENANT) -> KeyRequest:
    """The request in `document`, for `tenant` unless it names another. Raises `InvalidRequest` with every fault."""
    try:
        return KeyRequest.model_validate({"tenant": tenant, **document})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None


def read_key_change(document: Mapping[str, Any]) -> KeyChange:
    """The change in `document`. Raises `InvalidRequest` with every fault."""
    try:
        return KeyChange.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None


def made_from(key_id: str, keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    """All keys that a key made, directly or through keys that it made."""
    made: dict[str | None, list[ApiKey]] = {}
    for key in keys:
        made.setdefault(key.made_by, []).append(key)
    found = made.pop(key_id, [])
    for key in found:
        found.extend(made.pop(key.key_id, ()))
    return tuple(found)


def has_key_format(text: str) -> bool:
    """Whether the text has the format of an API key: any other needs no look-up."""
    return _KEY.fullmatch(text) is not None


def digest_of(key: str) -> str:
    """SHA-256 of a key, which is all that is stored of it."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def key_id_of(key: str) -> str:
    """The key's id, which reveals nothing about the key."""
    return derived_id("key", digest_of(key))
