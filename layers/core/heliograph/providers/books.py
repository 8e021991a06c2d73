"""Proof by a provider's books that a lost call created no task.

A provider that holds the price of every running task shows a lost task in its books: as held money while it runs, and
as a smaller balance when it is done. So if nothing was held before the call left, and nothing is held a while after
its answer was lost, and the balance is the same, then either no task was made or it failed, which costs nothing.

The rule is silent while any other task of the account runs, or was charged in between: a failure could then hide the
lost task. It can't see a call that lies at the provider for longer than `SETTLED_AFTER` before a task is made of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

# An edge that gave up may have an application behind it that did not.
SETTLED_AFTER = timedelta(seconds=60)


class Books(BaseModel):
    """Balance of an account at a provider, and how much of it is held for running tasks; in micro-dollars."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    balance_microusd: int
    held_microusd: int


def can_prove(before: Books | None) -> bool:
    """True if books from before the call can be part of a proof at all."""
    return before is not None and before.held_microusd == 0


def no_task_was_made(before: Books | None, after: Books | None, *, lost_at: datetime | None, now: datetime) -> bool:
    """True if the call created no task that is or will be charged. `now`: no later than when `after` was read."""
    if before is None or after is None or lost_at is None or now < lost_at + SETTLED_AFTER:
        return False
    return before.held_microusd == after.held_microusd == 0 and before.balance_microusd == after.balance_microusd
