"""API keys as an admin sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AwareDatetime, Field

from heliograph.access.keys import ApiKey, Scope
from heliograph.api.representations import Listing, Representation
from heliograph.kernel.pagination import Records


class KeyResource(Representation):
    """A key's record; the key itself is kept nowhere."""

    id: str
    name: str
    tenant: str
    scopes: tuple[Scope, ...]
    created_at: AwareDatetime
    made_by: Annotated[
        str | None,
        Field(
            description="The id of the key that made it; `deployment` for the deployment's own key, `operator` for the "
            "command line, null where that was not noted."
        ),
    ]
    daily_budget_usd: str | None
    requests_per_minute: int | None
    expires_at: Annotated[AwareDatetime | None, Field(description="From then on it opens nothing; null: never.")]
    last_used_at: Annotated[AwareDatetime | None, Field(description="To the minute or so.")]
    revoked_at: AwareDatetime | None

    @classmethod
    def of(cls, record: ApiKey) -> KeyResource:
        """The record for an admin."""
        return cls(id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


class NewKeyResource(KeyResource):
    """A new key: shown here, and never again."""

    key: Annotated[str, Field(description="A secret.")]

    @classmethod
    def made(cls, key: str, record: ApiKey) -> NewKeyResource:
        """The key with its record."""
        return cls(key=key, id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


class RevokedKeyResource(KeyResource):
    """A key that was revoked."""

    made: Annotated[
        tuple[KeyResource, ...],
        Field(description="With `made=revoke`: the keys that it made, and that those made; they are revoked too."),
    ]

    @classmethod
    def revoked(cls, record: ApiKey, made: Sequence[ApiKey]) -> RevokedKeyResource:
        """The record with those of the keys that were revoked with it."""
        resources = tuple(map(KeyResource.of, made))
        return cls(made=resources, id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


class KeyList(Listing[KeyResource]):
    """API keys, newest first."""

    @classmethod
    def of(cls, found: Records[ApiKey]) -> KeyList:
        """All of them: they are few."""
        newest_first = sorted(found, key=lambda record: record.created_at, reverse=True)
        return cls(data=tuple(map(KeyResource.of, newest_first)), unreadable=found.unreadable)


def _plain(record: ApiKey) -> dict[str, object]:
    return record.model_dump(exclude={"key_id", "digest", "scopes", "revision"})
