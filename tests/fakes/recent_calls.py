"""Recent calls in a dictionary."""

from __future__ import annotations

from heliograph.intake.recent_calls import Recent

from tests.fakes.script import Line, Script


class InMemoryRecentCalls:
    """A `RecentCalls` that compares what was there, and fails when told to."""

    def __init__(self) -> None:
        self._recent: dict[str, Recent] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `look` or `save`."""
        self._script.on(method, *lines)

    def look(self, digest: str) -> Recent:
        with self._script.playing("look"):
            return self._recent.get(digest, ())

    def save(self, digest: str, before: Recent, after: Recent) -> bool:
        with self._script.playing("save"):
            if self._recent.get(digest, ()) != before:
                return False
            self._recent[digest] = after
            return True
