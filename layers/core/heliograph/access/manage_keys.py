"""Create, list, change and revoke API keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.access.keys import (
    KEY_ID,
    PREFIX,
    ApiKey,
    Caller,
    KeyChange,
    KeyRequest,
    Origin,
    made_from,
)
from heliograph.kernel.errors import Conflict, Fault, InvalidRequest, KeyRevoked, StaleRecord, StorageFailed
from heliograph.kernel.pagination import Records
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.kernel.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from heliograph.access.ports import KeyStore, KeyUses
    from heliograph.kernel.ports import Clock


@dataclass(frozen=True, slots=True)
class RevokedKeys:
    """A revoked key, and the keys that it had made if they were revoked with it."""

    key: ApiKey
    made: tuple[ApiKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyService:
    """Manages API keys.

    In every method `by` is the caller; `None` stands for an operator at the command line, who manages all keys. Every
    method raises `StorageFailed`.
    """

    keys: KeyStore
    uses: KeyUses
    clock: Clock
    new_secret: Callable[[], str]
    """Makes 43 unguessable characters."""

    def create(self, request: KeyRequest, *, by: Caller | None) -> tuple[str, ApiKey]:
        """Creates a key; returns it, for the one time that it is shown, and its record.

        Raises `InvalidRequest` for a tenant whose keys the caller does not manage, and `KeyRevoked` if the caller's
        key was revoked before the new one was written.
        """
        if by and not by.governs(request.tenant):
            message = f"an admin key of the tenant {by.tenant} makes keys of that tenant only"
            raise InvalidRequest(Fault("/tenant", message))
        self._check_expiry(request.expires_at)
        key = PREFIX + self.new_secret()
        record = ApiKey.of(key, request, self.clock.now(), made_by=_maker(by))
        if not self.keys.add(record, maker=by.key_id if by else None):
            raise KeyRevoked(record.made_by)
        return key, record

    def list(self, *, by: Caller | None) -> Records[ApiKey]:
        """All keys that the caller manages, with their last use. Only operators see the ids of unreadable records."""
        found = self.keys.scan()
        managed = self._with_uses(key for key in found if by is None or by.governs(key.tenant))
        return Records(managed, found.unreadable if by is None or by.tenant == DEFAULT_TENANT else ())

    def revoke(self, key_id: str, *, by: Caller | None, with_made: bool = False) -> RevokedKeys | None:
        """Revokes the key: it can create no key from now on, and opens nothing within a minute. `None` if not found.

        `with_made` also revokes all keys that it made, and that those made. The key itself is revoked first, so that
        no new key is missed.
        """
        record = self._managed(key_id, by)
        if record is None:
            return None
        revoked = self._revoked(record)
        made = [self._revoked(key) for key in made_from(key_id, self.keys.scan())] if with_made else []
        first, *others = self._with_uses([revoked, *made])
        return RevokedKeys(first, tuple(others))

    def change(self, key_id: str, change: KeyChange, *, by: Caller | None) -> ApiKey | None:
        """Changes the key; the change takes effect within a minute. `None` if not found.

        Raises `InvalidRequest` for an expiry in the past, and `Conflict` for a revoked key.
        """
        self._check_expiry(change.expires_at)

        def changed(record: ApiKey) -> ApiKey:
            if record.revoked_at:
                raise Conflict("key_revoked", "the key is revoked: make another")
            return record.model_copy(update=change.changed_fields)

        record = self._managed(key_id, by)
        return self._with_uses([self._update(record, changed)])[0] if record else None

    def _check_expiry(self, expires_at: datetime | None) -> None:
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
        """Applies the change to the current record and writes it; a concurrent change is kept."""
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

    def _with_uses(self, keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
        found = tuple(keys)
        used = self.uses.last_uses([key.key_id for key in found])
        return tuple(key.model_copy(update={"last_used_at": used.get(key.key_id)}) for key in found)


def _maker(by: Caller | None) -> str:
    return Origin.OPERATOR if by is None else by.key_id or Origin.DEPLOYMENT
