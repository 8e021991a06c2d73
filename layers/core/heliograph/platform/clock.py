"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The time of day, in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)
