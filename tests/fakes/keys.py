"""API keys in a dictionary."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from heliograph.domain.keys import ApiKey
from heliograph.domain.listing import Records

from tests.fakes.script import Line, Script


class InMemoryKeyStore:
    """A `KeyStore` that fails when told to."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._used: dict[str, datetime] = {}
        self._calls: Counter[tuple[str, str]] = Counter()
        self._script = Script()
        self.reads = 0

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of a method."""
        self._script.on(method, *lines)

    def save(self, key: ApiKey) -> None:
        with self._script.playing("save"):
            self._keys[key.key_id] = key.model_dump_json(exclude={"last_used_at"})

    def get(self, key_id: str) -> ApiKey | None:
        with self._script.playing("get"):
            self.reads += 1
            return self._read(key_id) if key_id in self._keys else None

    def every(self) -> Records[ApiKey]:
        with self._script.playing("every"):
            return Records(tuple(map(self._read, self._keys)))

    def note_use(self, key_id: str, at: datetime) -> None:
        with self._script.playing("note_use"):
            self._used[key_id] = at

    def count_call(self, key_id: str, at: datetime) -> int:
        with self._script.playing("count_call"):
            minute = f"{at:%Y-%m-%d %H:%M}"
            self._calls[key_id, minute] += 1
            return self._calls[key_id, minute]

    def _read(self, key_id: str) -> ApiKey:
        key = ApiKey.model_validate_json(self._keys[key_id])
        return key.model_copy(update={"last_used_at": self._used.get(key_id)})
