"""Ports that every package may need: the clock, waiting, parallel calls, the event bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from heliograph.kernel.event_envelope import Envelope


Made = TypeVar("Made")


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class Sleep(Protocol):
    """Lets time pass. For the few who wait on their caller's behalf; all other waiting is the workflow's."""

    def __call__(self, seconds: float, /) -> None: ...


class Together(Protocol):
    """Does several things at once, as far as there is room."""

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        """What each call returned, in their order. All are made, whatever one raises; then the first such error is."""
        ...


class EventBus(Protocol):
    """Where events are published."""

    def publish(self, event: Envelope) -> None:
        """Puts one event. Raises `PublishFailed` unless the bus says that it took it."""
        ...
