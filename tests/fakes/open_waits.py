"""Open waits in a dictionary."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from tests.fakes.script import Line, Script


class InMemoryOpenWaits:
    """An `OpenWaits` that fails when told to."""

    def __init__(self) -> None:
        self._until: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `begin` or `end`."""
        self._script.on(method, *lines)

    def begin(self, key: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        with self._script.playing("begin"):
            self._until[key] = {name: end for name, end in self._until[key].items() if end > now} | {wait_id: until}
            return len(self._until[key])

    def end(self, key: str, wait_id: str) -> None:
        with self._script.playing("end"):
            self._until[key].pop(wait_id, None)
