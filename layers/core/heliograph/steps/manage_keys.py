"""Make, list and revoke API keys; let in who has one."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.domain.errors import StorageFailed
from heliograph.domain.keys import KEY_ID, PREFIX, ApiKey, Caller, KeyRequest, Scope, is_a_key, key_id_of
from heliograph.domain.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from heliograph.ports import Clock, KeyStore

# A key's last use is noted this often at most: it is for people, and every note is a write.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How often a key may be used in a minute, and how often it was in this one."""

    most: int
    used: int
    reset_seconds: int

    @property
    def left(self) -> int:
        """How often it may still be used."""
        return max(0, self.most - self.used)

    @property
    def is_used_up(self) -> bool:
        """Whether this use was one too many."""
        return self.used > self.most


def count_call(caller: Caller, *, keys: KeyStore, clock: Clock, times: int = 1) -> Allowance | None:
    """One more call of the caller's key; `None` where it has no limit, or the store is away: that shuts nobody out.

    `times`: how many calls it counts as.
    """
    if caller.requests_per_minute is None:
        return None
    now = clock.now()
    with suppress(StorageFailed):
        used = keys.count_call(caller.account, now, times=times)
        return Allowance(caller.requests_per_minute, used, 60 - now.second)
    return None


def create_key(
    request: KeyRequest, *, keys: KeyStore, clock: Clock, new_secret: Callable[[], str]
) -> tuple[str, ApiKey]:
    """A new key, for the one time that it is shown, and its record. `new_secret`: 43 unguessable characters."""
    key = PREFIX + new_secret()
    record = ApiKey.of(key, request, clock.now())
    keys.save(record)
    return key, record


def revoke_key(key_id: str, *, keys: KeyStore, clock: Clock) -> ApiKey | None:
    """The key, which opens nothing from now on (the gateway forgets it within a minute); `None` if there is none."""
    record = keys.get(key_id) if KEY_ID.fullmatch(key_id) else None
    if record is None or record.revoked_at:
        return record
    revoked = record.model_copy(update={"revoked_at": clock.now()})
    keys.save(revoked)
    return revoked


def recognise(
    key: str, *, own_key: str, keys: KeyStore, clock: Clock, requests_per_minute: int | None = None
) -> Caller | None:
    """Who has this key; `None` if nobody has. `own_key`: the deployment's, which opens everything.

    `requests_per_minute`: the limit of keys that have none of their own. Costs no read for what has not the form of a
    key. Raises `StorageFailed`.
    """
    if own_key and hmac.compare_digest(key.encode(errors="surrogatepass"), own_key.encode()):
        return Caller(tenant=DEFAULT_TENANT, scopes=frozenset(Scope), requests_per_minute=requests_per_minute)
    record = keys.get(key_id_of(key)) if is_a_key(key) else None
    if record is None or not record.opens_for(key):
        return None
    now = clock.now()
    if record.last_used_at is None or now - record.last_used_at >= _NOTED_EVERY:
        with suppress(StorageFailed):
            keys.note_use(record.key_id, now)
    caller = record.caller()
    if caller.requests_per_minute is None:
        return caller.model_copy(update={"requests_per_minute": requests_per_minute})
    return caller
