"""Time that passes when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteppingClock:
    """A `Clock` that stands still between steps."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def step(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self._now += timedelta(seconds=seconds)

    def go_to(self, at: datetime) -> None:
        """Lets time pass until `at`."""
        self._now = at
