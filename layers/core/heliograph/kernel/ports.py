"""Ports that every package may need: the clock, waiting, parallel calls, the event bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from heliograph.kernel.event_envelope import Envelope


Made = TypeVar("Made")


class Clock(Protocol):
    """The current time."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        ...


class Sleep(Protocol):
    """A wait, in seconds, for use cases that wait on their caller's behalf. The workflow does all other waiting."""

    def __call__(self, seconds: float, /) -> None: ...


class ParallelCalls(Protocol):
    """Several calls at once, as many as there is room for."""

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        """Returns the result of each call, in the order of the calls.

        Makes all calls, even if one raises; then raises the first error.
        """
        ...


class EventBus(Protocol):
    """The bus that events are published on."""

    def publish(self, event: Envelope) -> None:
        """Publishes one event. Raises `PublishFailed` unless the bus confirms it."""
        ...
