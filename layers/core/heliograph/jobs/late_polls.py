"""Polls of the tasks that are still uncertain when their job ends: `sweep` makes them for a day, with growing gaps."""

from __future__ import annotations

from datetime import datetime, timedelta

from heliograph.jobs.retry_policy import GIVE_UP

# Time from a job's end to the first poll of its uncertain tasks.
FIRST_LATE_LOOK = timedelta(minutes=5)
# Each gap is longer than the time before it by this part.
_LATE_LOOKS_GROW = 0.5


def next_late_poll(since: datetime, at: datetime) -> datetime:
    """Time of the poll after one at `at`, of a series that began at `since`. The last one is a day after that."""
    gap = max(FIRST_LATE_LOOK, (at - since) * _LATE_LOOKS_GROW)
    return min(at + gap, since + GIVE_UP) if at < since + GIVE_UP else at + gap
