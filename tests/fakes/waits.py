"""Waits that only remember who was woken."""

from __future__ import annotations

from datetime import datetime

from tests.fakes.script import Line, Script


class RecordingWaits:
    """`Waits` in which somebody always waits."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, datetime]] = []
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `wake`."""
        self._script.on(method, *lines)

    def wake(self, attempt_id: str, at: datetime) -> bool:
        with self._script.playing("wake"):
            self.woken.append((attempt_id, at))
            return True
