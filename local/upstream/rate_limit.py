"""The limit on creates: 20 in 10 s for each key, the excess rejected and not queued [unknown; seen behind the
vendor].
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from local.upstream.settings import Settings


class RateLimit:
    """A sliding window over each key's creates."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._admitted: dict[str, deque[float]] = {}

    def wait_seconds(self, key: str) -> float:
        """0 admits the create and counts it; more than 0 is how long until the next one has room."""
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
        """What a refused create says of when to come back."""
        told = self._settings.rate_limit_retry_after
        return {"retry-after": str(max(1, round(wait_seconds)))} if told else {}

    def empty(self) -> None:
        """Forget what was admitted."""
        self._admitted.clear()
