"""API keys as an admin sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AwareDatetime, Field

from heliograph.access.keys import ApiKey, Scope
from heliograph.api.representations import Representation


class KeyTold(Representation):
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
    def of(cls, record: ApiKey) -> KeyTold:
        """The record for an admin."""
        return cls(id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


class KeyMade(KeyTold):
    """A new key: shown here, and never again."""

    key: Annotated[str, Field(description="A secret.")]

    @classmethod
    def made(cls, key: str, record: ApiKey) -> KeyMade:
        """The key with its record."""
        return cls(key=key, id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


class KeyRevoked(KeyTold):
    """A key that was revoked."""

    made: Annotated[
        tuple[KeyTold, ...],
        Field(description="With `made=revoke`: the keys that it made, and that those made; they are revoked too."),
    ]

    @classmethod
    def revoked(cls, record: ApiKey, made: Sequence[ApiKey]) -> KeyRevoked:
        """The record with those of the keys that were revoked with it."""
        told = tuple(map(KeyTold.of, made))
        return cls(made=told, id=record.key_id, scopes=tuple(sorted(record.scopes)), **_plain(record))


def _plain(record: ApiKey) -> dict[str, object]:
    return record.model_dump(exclude={"key_id", "digest", "scopes", "revision"})
