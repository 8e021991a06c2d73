"""Count the calls of an API key against its limit per minute."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.access.keys import Caller
from heliograph.kernel.errors import StorageFailed

if TYPE_CHECKING:
    from heliograph.access.ports import KeyUses
    from heliograph.kernel.ports import Clock


@dataclass(frozen=True, slots=True)
class Allowance:
    """A key's calls per minute: its limit, the calls of the current minute, and the seconds until the next one."""

    limit: int
    used: int
    reset_seconds: int

    @property
    def remaining(self) -> int:
        """Number of calls left in this minute."""
        return max(0, self.limit - self.used)

    @property
    def is_exceeded(self) -> bool:
        """Whether the calls of this minute, including this one, are more than the limit."""
        return self.used > self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounter:
    """Counts the calls of each key."""

    uses: KeyUses
    clock: Clock

    def count(self, caller: Caller, *, times: int = 1) -> Allowance | None:
        """Counts a call of the caller's key; a call may count as several (`times`).

        `None` if the key has no limit, or if the store fails: a failing store must not lock anybody out.
        """
        if caller.requests_per_minute is None:
            return None
        now = self.clock.now()
        with suppress(StorageFailed):
            used = self.uses.count_call(caller.account, now, times=times)
            return Allowance(caller.requests_per_minute, used, 60 - now.second)
        return None
