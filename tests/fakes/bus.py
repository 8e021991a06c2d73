"""An event bus that only remembers."""

from __future__ import annotations

from collections.abc import Iterator

from heliograph.kernel.event_envelope import Envelope
from heliograph.webhooks.event_catalogue import PublishedEvent

from tests.fakes.script import Line, Script


class RecordingBus:
    """An `EventBus` whose events can be counted and looked at."""

    def __init__(self) -> None:
        self._events: list[PublishedEvent] = []
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `publish`."""
        self._script.on(method, *lines)

    def publish(self, event: Envelope) -> None:
        assert isinstance(event, PublishedEvent)
        with self._script.playing("publish"):
            self._events.append(event)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[PublishedEvent]:
        return iter(self._events)
