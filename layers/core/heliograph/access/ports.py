"""Ports of the API keys: their store, call counters, rate limits of actions, open waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.access.keys import ApiKey
    from heliograph.kernel.pagination import Records


class KeyStore(Protocol):
    """API keys by id. Every method raises `StorageFailed` if the store fails."""

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        """Writes a new key's record; `False` if there is a `maker` and that key is missing or revoked."""
        ...

    def save(self, key: ApiKey) -> None:
        """Writes a key's record, new or changed."""
        ...

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """Writes the record; `False` if it has changed since `before`."""
        ...

    def get(self, key_id: str) -> ApiKey | None:
        """The key as it is now (a consistent read)."""
        ...

    def scan(self) -> Records[ApiKey]:
        """All keys, including revoked and expired ones."""
        ...


class KeyUses(Protocol):
    """Uses of keys. Every method raises `StorageFailed` if the store fails."""

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        """Adds `times` calls to the key's count in the minute (UTC) of `at`; returns the new count."""
        ...

    def record_use(self, key_id: str, at: datetime) -> None:
        """Records that the key was used at that time."""
        ...

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        """Time of each key's last recorded use."""
        ...


class Pace(Protocol):
    """Rate limit of an action. Raises `StorageFailed` if the store fails."""

    def take(self, action: str, at: datetime, *, every: timedelta) -> bool:
        """Takes the one permit that the action has in every interval; returns whether there was one.

        Writes nothing if there was none.
        """
        ...


class OpenWaits(Protocol):
    """Calls of each key that are waiting for jobs. Raises `StorageFailed`."""

    def begin(self, account: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """Adds a wait that counts until `until` at most; returns the number of open waits, including this one."""
        ...

    def end(self, account: str, wait_id: str) -> None:
        """Removes the wait."""
        ...
