"""Let a call wait for jobs, unless its key has enough that wait: each holds one of the account's executions."""

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

# What comes before and after the waiting itself.
_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCap:
    """How many calls of one key may wait at once. A wait whose function died counts until it would have ended."""

    waits: OpenWaits
    clock: Clock
    most: int

    @contextmanager
    def wait(self, caller: Caller, wait_id: str, *, seconds: float) -> Iterator[None]:
        """For as long as the block takes, the call counts as one that waits, `seconds` at most; none if that is 0.

        Raises `TooManyWaits` before the block if enough do. Where the store is away, nobody is shut out.
        """
        if seconds <= 0:
            yield
            return
        now, counted = self.clock.now(), 0
        with suppress(StorageFailed):
            until = now + timedelta(seconds=seconds) + _MARGIN
            counted = self.waits.begin(caller.account, wait_id, now=now, until=until)
        try:
            if counted > self.most:
                raise TooManyWaits(self.most)
            yield
        finally:
            if counted:
                with suppress(StorageFailed):
                    self.waits.end(caller.account, wait_id)
