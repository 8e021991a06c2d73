"""Paces in a dictionary."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.fakes.script import Line, Script


class InMemoryPace:
    """A `Pace` that fails when told to."""

    def __init__(self) -> None:
        self._taken: dict[str, datetime] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `take`."""
        self._script.on(method, *lines)

    def take(self, what: str, at: datetime, *, every: timedelta) -> bool:
        with self._script.playing("take"):
            if what in self._taken and self._taken[what] > at - every:
                return False
            self._taken[what] = at
            return True
