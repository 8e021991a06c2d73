"""Ports of API keys: their store, counters, pace, open waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.access.keys import ApiKey
    from heliograph.kernel.pagination import Records


class KeyStore(Protocol):
    """API keys, by their ids. Every method raises `StorageFailed` when the store does not do its part."""

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        """Writes a new key's record; with a `maker`, only while that key is there and not revoked. Tells whether."""
        ...

    def save(self, key: ApiKey) -> None:
        """Writes a key's record, new or changed."""
        ...

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """Writes the record if it still is as it was `before`. Tells whether."""
        ...

    def get(self, key_id: str) -> ApiKey | None:
        """The key as it is now (a consistent read)."""
        ...

    def every(self) -> Records[ApiKey]:
        """All keys there ever were."""
        ...


class KeyUses(Protocol):
    """How keys are used. Every method raises `StorageFailed` when the store does not do its part."""

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        """One more call of the key, or several: how many there were in its minute (UTC) with them."""
        ...

    def note_use(self, key_id: str, at: datetime) -> None:
        """The key was used."""
        ...

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        """When each key was used last, as far as a use was noted."""
        ...


class Throttle(Protocol):
    """How often something is done. Raises `StorageFailed` when the store does not do its part."""

    def take(self, what: str, at: datetime, *, every: timedelta) -> bool:
        """Whether it may be done now: once in every so much time. Writes nothing where it may not."""
        ...


class OpenWaits(Protocol):
    """The calls of each key that wait for jobs at the moment. Raises `StorageFailed`."""

    def begin(self, key: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One more wait; which one it is of those that are open, from 1. It counts until `until` at most."""
        ...

    def end(self, key: str, wait_id: str) -> None:
        """That wait is over."""
        ...
