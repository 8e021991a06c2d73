"""Make, list and revoke API keys; let in who has one."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.access.keys import (
    KEY_ID,
    PREFIX,
    ApiKey,
    Caller,
    KeyChange,
    KeyRequest,
    Origin,
    Scope,
    is_a_key,
    key_id_of,
    made_from,
)
from heliograph.kernel.errors import Conflict, Fault, InvalidRequest, KeyRevoked, StaleRecord, StorageFailed
from heliograph.kernel.pagination import Records
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.kernel.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from heliograph.access.ports import KeyStore, KeyUses
    from heliograph.kernel.ports import Clock

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


def count_call(caller: Caller, *, uses: KeyUses, clock: Clock, times: int = 1) -> Allowance | None:
    """One more call of the caller's key; `None` where it has no limit, or the store is away: that shuts nobody out.

    `times`: how many calls it counts as.
    """
    if caller.requests_per_minute is None:
        return None
    now = clock.now()
    with suppress(StorageFailed):
        used = uses.count_call(caller.account, now, times=times)
        return Allowance(caller.requests_per_minute, used, 60 - now.second)
    return None


@dataclass(frozen=True, slots=True)
class RevokedKeys:
    """A key that was revoked, and those that it had made where they were revoked with it."""

    key: ApiKey
    made: tuple[ApiKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyService:
    """Manages keys. `by`: who asks; `None` for an operator at the command line, who manages all of them.

    `new_secret`: 43 unguessable characters.
    """

    keys: KeyStore
    uses: KeyUses
    clock: Clock
    new_secret: Callable[[], str]

    def create(self, request: KeyRequest, *, by: Caller | None) -> tuple[str, ApiKey]:
        """A new key, for the one time that it is shown, and its record.

        Raises `InvalidRequest` for a tenant whose keys the caller does not manage, and `KeyRevoked` if the caller's
        key was revoked before the new one was written.
        """
        if by and not by.governs(request.tenant):
            told = f"an admin key of the tenant {by.tenant} makes keys of that tenant only"
            raise InvalidRequest(Fault("/tenant", told))
        self._check(request.expires_at)
        key = PREFIX + self.new_secret()
        record = ApiKey.of(key, request, self.clock.now(), made_by=_maker(by))
        if not self.keys.add(record, maker=by.key_id if by else None):
            raise KeyRevoked(record.made_by)
        return key, record

    def every(self, *, by: Caller | None) -> Records[ApiKey]:
        """Every key that the caller manages, with its last use. Keys that can't be read are named to operators only."""
        found = self.keys.every()
        mine = self._with_uses(key for key in found if by is None or by.governs(key.tenant))
        return Records(tuple(mine), found.unreadable if by is None or by.tenant == DEFAULT_TENANT else ())

    def revoke(self, key_id: str, *, by: Caller | None, with_made: bool = False) -> RevokedKeys | None:
        """The key, which makes nothing from now on and opens nothing within a minute; `None` if there is none.

        `with_made`: also all keys that it made, and that those made. It is revoked first, so that none is missed.
        """
        record = self._managed(key_id, by)
        if record is None:
            return None
        revoked = self._revoked(record)
        made = [self._revoked(key) for key in made_from(key_id, self.keys.every())] if with_made else []
        first, *others = self._with_uses([revoked, *made])
        return RevokedKeys(first, tuple(others))

    def change(self, key_id: str, change: KeyChange, *, by: Caller | None) -> ApiKey | None:
        """The key with what was changed, which counts within a minute; `None` if there is none.

        Raises `InvalidRequest` for an expiry that is over, and `Conflict` for a key that is revoked.
        """
        self._check(change.expires_at)

        def changed(record: ApiKey) -> ApiKey:
            if record.revoked_at:
                raise Conflict("key_revoked", "the key is revoked: make another")
            return record.model_copy(update=change.said)

        record = self._managed(key_id, by)
        return self._with_uses([self._update(record, changed)])[0] if record else None

    def _check(self, expires_at: datetime | None) -> None:
        if expires_at and expires_at <= self.clock.now():
            raise InvalidRequest(Fault("/expires_at", "must be in the future"))

    def _managed(self, key_id: str, by: Caller | None) -> ApiKey | None:
        record = self.keys.get(key_id) if KEY_ID.fullmatch(key_id) else None
        return record if record and (by is None or by.governs(record.tenant)) else None

    def _revoked(self, record: ApiKey) -> ApiKey:
        now = self.clock.now()
        return self._update(
            record, lambda current: current if current.revoked_at else current.model_copy(update={"revoked_at": now})
        )

    def _update(self, record: ApiKey, change: Callable[[ApiKey], ApiKey]) -> ApiKey:
        """The record as it was changed and written: a change by somebody else in between is kept."""
        give_up = StorageFailed(f"{record.key_id}: it changes all the time")

        def read() -> ApiKey:
            current = self.keys.get(record.key_id)
            if current is None:
                raise give_up
            return current

        def write(current: ApiKey) -> ApiKey:
            changed = change(current)
            if changed == current:
                return current
            if not self.keys.replace(current, changed):
                raise StaleRecord(current.key_id)
            return changed.model_copy(update={"revision": current.revision + 1})

        return update_with_retry(read, write, first=record, give_up=give_up)

    def _with_uses(self, keys: Iterable[ApiKey]) -> list[ApiKey]:
        found = list(keys)
        used = self.uses.last_uses([key.key_id for key in found])
        return [key.model_copy(update={"last_used_at": used.get(key.key_id)}) for key in found]


def _maker(by: Caller | None) -> str:
    return Origin.OPERATOR if by is None else by.key_id or Origin.DEPLOYMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBook:
    """Tells whose key a key is. `own_key` reads the deployment's, which opens everything.

    `requests_per_minute`: the limit of keys that have none of their own. `noted`: when this process last noted the use
    of each key.
    """

    own_key: Callable[[], str]
    keys: KeyStore
    uses: KeyUses
    clock: Clock
    requests_per_minute: int | None = None
    noted: dict[str, datetime] = field(default_factory=dict)

    def recognise(self, key: str) -> Caller | None:
        """Who has this key; `None` if nobody has. Costs no read for what has not the form of a key.

        Raises `StorageFailed`.
        """
        own_key = self.own_key()
        if own_key and hmac.compare_digest(key.encode(errors="surrogatepass"), own_key.encode()):
            return Caller(tenant=DEFAULT_TENANT, scopes=frozenset(Scope), requests_per_minute=self.requests_per_minute)
        record = self.keys.get(key_id_of(key)) if is_a_key(key) else None
        if record is None or not record.opens_for(key, self.clock.now()):
            return None
        self._note_use(record.key_id)
        caller = record.caller()
        if caller.requests_per_minute is None:
            return caller.model_copy(update={"requests_per_minute": self.requests_per_minute})
        return caller

    def _note_use(self, key_id: str) -> None:
        now = self.clock.now()
        noted_at = self.noted.get(key_id)
        if noted_at is None or now - noted_at >= _NOTED_EVERY:
            with suppress(StorageFailed):
                self.uses.note_use(key_id, now)
                self.noted[key_id] = now


def look_up_again(caller: Caller, *, keys: KeyStore, clock: Clock) -> Caller:
    """The caller as its key's record says now. The deployment's own key has no record.

    Raises `KeyRevoked` if the key was revoked or expired since the gateway checked it, and `StorageFailed`.
    """
    if caller.key_id is None:
        return caller
    return valid_record(caller.key_id, keys=keys, clock=clock).caller()


def valid_record(key_id: str, *, keys: KeyStore, clock: Clock) -> ApiKey:
    """The record of a key that is neither revoked nor expired. Raises `KeyRevoked` and `StorageFailed`."""
    record = keys.get(key_id)
    if record is None or not record.is_valid(clock.now()):
        raise KeyRevoked(key_id)
    return record
