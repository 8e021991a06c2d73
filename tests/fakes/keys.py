"""API keys in a dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from heliograph.access.keys import ApiKey
from heliograph.kernel.pagination import Records

from tests.fakes.script import Line, Script


class InMemoryKeyStore:
    """A `KeyStore` that fails when told to."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._script = Script()
        self.reads = 0

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of a method."""
        self._script.on(method, *lines)

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        with self._script.playing("add"):
            if maker is not None and (maker not in self._keys or self._read(maker).revoked_at):
                return False
            self._keys[key.key_id] = key.model_dump_json(exclude={"last_used_at"})
            return True

    def save(self, key: ApiKey) -> None:
        with self._script.playing("save"):
            self._keys[key.key_id] = key.model_dump_json(exclude={"last_used_at"})

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        with self._script.playing("replace"):
            if self._read(before.key_id).revision != before.revision:
                return False
            changed = after.model_copy(update={"revision": before.revision + 1})
            self._keys[after.key_id] = changed.model_dump_json(exclude={"last_used_at"})
            return True

    def get(self, key_id: str) -> ApiKey | None:
        with self._script.playing("get"):
            self.reads += 1
            return self._read(key_id) if key_id in self._keys else None

    def scan(self) -> Records[ApiKey]:
        with self._script.playing("scan"):
            return Records(tuple(map(self._read, self._keys)))

    def _read(self, key_id: str) -> ApiKey:
        return ApiKey.model_validate_json(self._keys[key_id])


class InMemoryKeyUses:
    """A `KeyUses` that fails when told to."""

    def __init__(self) -> None:
        self._used: dict[str, datetime] = {}
        self._calls: Counter[tuple[str, str]] = Counter()
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of a method."""
        self._script.on(method, *lines)

    def record_use(self, key_id: str, at: datetime) -> None:
        with self._script.playing("record_use"):
            self._used[key_id] = at

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        with self._script.playing("count_call"):
            minute = f"{at:%Y-%m-%d %H:%M}"
            self._calls[key_id, minute] += times
            return self._calls[key_id, minute]

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        with self._script.playing("last_uses"):
            return {key_id: self._used[key_id] for key_id in key_ids if key_id in self._used}
