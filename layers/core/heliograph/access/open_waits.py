"""Cap the calls of one key that wait for jobs: each holds one of the account's concurrent executions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.access.keys import Caller
from heliograph.kernel.errors import StorageFailed, TooManyWaits

if TYPE_CHECKING:
    from heliograph.access.ports import OpenWaits
    from heliograph.kernel.ports import Clock

# Time that a call takes before and after the wait itself.
_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCap:
    """Limits the waiting calls of one key. A wait whose function died counts until it would have ended."""

    waits: OpenWaits
    clock: Clock
    max_waits: int

    @contextmanager
    def wait(self, caller: Caller, wait_id: str, *, seconds: float) -> Iterator[None]:
        """Counts the call as waiting while the block runs, for `seconds` at most; not at all if that is 0.

        Raises `TooManyWaits` before the block if `max_waits` calls are waiting already. A failing store must not lock
        anybody out.
        """
        if seconds <= 0:
            yield
            return
        now, counted = self.clock.now(), 0
        with suppress(StorageFailed):
            until = now + timedelta(seconds=seconds) + _MARGIN
            counted = self.waits.begin(caller.account, wait_id, now=now, until=until)
        try:
            if counted > self.max_waits:
                raise TooManyWaits(self.max_waits)
            yield
        finally:
            if counted:
                with suppress(StorageFailed):
                    self.waits.end(caller.account, wait_id)
