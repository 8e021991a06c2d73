"""Rate limit of create calls: 20 in 10 s per key. Excess calls are rejected, not queued [unknown]."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from local.provider.settings import Settings


class RateLimit:
    """A sliding window over each key's create calls."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._admitted: dict[str, deque[float]] = {}

    def wait_seconds(self, key: str) -> float:
        """Seconds until the key may make its next create call; 0 admits this call and counts it."""
        if not self._settings.rate_limit:
            return 0.0
        now = self._clock()
        admitted = self._admitted.setdefault(key, deque())
        while admitted and admitted[0] <= now - self._settings.rate_limit_window_seconds:
            admitted.popleft()
        if len(admitted) >= self._settings.rate_limit_creates:
            oldest = admitted[0] if admitted else now
            return oldest + self._settings.rate_limit_window_seconds - now
        admitted.append(now)
        return 0.0

    def headers(self, wait_seconds: float) -> dict[str, str]:
        """Headers of a rejected create call."""
        sent = self._settings.rate_limit_retry_after
        return {"retry-after": str(max(1, round(wait_seconds)))} if sent else {}

    def clear(self) -> None:
        """Removes all counted calls."""
        self._admitted.clear()
