"""Authenticate callers by their API keys, and refresh a caller from its key's current record."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.access.keys import ApiKey, Caller, Scope, has_key_format, key_id_of
from heliograph.kernel.errors import KeyRevoked, StorageFailed
from heliograph.kernel.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from heliograph.access.ports import KeyStore, KeyUses
    from heliograph.kernel.ports import Clock

# Each recorded use is a write, and only people read it: a minute is precise enough.
_RECORD_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Finds the caller that a key belongs to. Raises `StorageFailed`."""

    own_key: Callable[[], str]
    """Reads the deployment's own key, which opens everything."""
    keys: KeyStore
    uses: KeyUses
    clock: Clock
    requests_per_minute: int | None = None
    """Limit of keys that have none of their own."""
    recorded: dict[str, datetime] = field(default_factory=dict)
    """Time at which this process last recorded a use, by key id."""

    def authenticate(self, key: str) -> Caller | None:
        """The caller; `None` if the key is unknown, revoked or expired.

        Costs no read if the text does not have the format of a key. Raises `StorageFailed`.
        """
        own_key = self.own_key()
        if own_key and hmac.compare_digest(key.encode(errors="surrogatepass"), own_key.encode()):
            return Caller(tenant=DEFAULT_TENANT, scopes=frozenset(Scope), requests_per_minute=self.requests_per_minute)
        record = self.keys.get(key_id_of(key)) if has_key_format(key) else None
        if record is None or not record.matches(key, self.clock.now()):
            return None
        self._record_use(record.key_id)
        caller = record.caller()
        if caller.requests_per_minute is None:
            return caller.model_copy(update={"requests_per_minute": self.requests_per_minute})
        return caller

    def _record_use(self, key_id: str) -> None:
        now = self.clock.now()
        recorded_at = self.recorded.get(key_id)
        if recorded_at is None or now - recorded_at >= _RECORD_USE_EVERY:
            with suppress(StorageFailed):
                self.uses.record_use(key_id, now)
                self.recorded[key_id] = now


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRefresher:
    """Reads a caller's key again: API Gateway caches the authorizer's answer for a minute."""

    keys: KeyStore
    clock: Clock

    def refresh(self, caller: Caller) -> Caller:
        """The caller according to its key's current record. The deployment's own key has no record.

        Raises `KeyRevoked` if the key was revoked or expired since the authorizer checked it, and `StorageFailed`.
        """
        if caller.key_id is None:
            return caller
        return valid_key(caller.key_id, keys=self.keys, clock=self.clock).caller()


def valid_key(key_id: str, *, keys: KeyStore, clock: Clock) -> ApiKey:
    """The record of a key that is neither revoked nor expired. Raises `KeyRevoked` and `StorageFailed`."""
    record = keys.get(key_id)
    if record is None or not record.is_valid(clock.now()):
        raise KeyRevoked(key_id)
    return record
