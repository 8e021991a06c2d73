"""How often and how soon to try again: the one place for our own repetitions (the workflow holds AWS's)."""

from __future__ import annotations

MAX_ATTEMPTS = 5
MAX_DELIVERIES = 6
_LONGEST_WAIT_SECONDS = 60


def wait_before_attempt(attempts: int, asked_seconds: int | None) -> int:
    """Seconds before the next create call after `attempts` refused ones; never less than the provider asked for."""
    return max(asked_seconds or 0, min(1 << attempts, _LONGEST_WAIT_SECONDS))


def wait_before_delivery(deliveries: int) -> int:
    """Seconds before a result is fetched again after `deliveries` failed tries."""
    return min(1 << deliveries, _LONGEST_WAIT_SECONDS)
