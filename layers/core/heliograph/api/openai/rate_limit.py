"""The rate limit of a key on the routes in OpenAI's shape, where a call counts once for each image of `n`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from heliograph.access.count_calls import Allowance, CallCounter
from heliograph.access.keys import Caller
from heliograph.api.openai.refusal import LIMIT, Refusal


@dataclass(eq=False)
class RateLimit:
    """The rate limit of the caller's key during one call."""

    caller: Caller
    counter: CallCounter
    allowance: Allowance | None = None
    """Calls used and left in this minute; `None`: the key has no limit."""

    def count_more(self, times: int) -> None:
        """Counts further calls. Raises a `Refusal` (429), not to be retried, if a whole minute allows fewer."""
        if not times or self.allowance is None:
            return
        most = self.allowance.limit
        if times + 1 > most:
            message = (
                f"counts as {times + 1} calls, and this key may be used {most} times a minute: n must be {most} at "
                "most; nothing was done and nothing charged"
            )
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, LIMIT, "rate_limit_exceeded", message, "n")
        self.allowance = self.counter.count(self.caller, times=times)

    @property
    def is_exceeded(self) -> bool:
        """Whether the key was used too often in this minute."""
        return self.allowance is not None and self.allowance.is_exceeded

    @property
    def is_far_exceeded(self) -> bool:
        """Whether the key was used more than twice as often as allowed: refusals are no longer recorded."""
        return self.allowance is not None and self.allowance.used > 2 * self.allowance.limit

    def check(self) -> None:
        """Raises a `Refusal` (429) if the key was used too often in this minute."""
        if self.is_exceeded and (allowance := self.allowance):
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                LIMIT,
                "rate_limit_exceeded",
                f"this key may be used {allowance.limit} times a minute, and a call counts once for each image of n; "
                "nothing was done and nothing charged",
                should_retry=True,
                retry_after_seconds=allowance.reset_seconds,
            )
