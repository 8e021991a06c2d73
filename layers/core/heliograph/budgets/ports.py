"""The port of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.budgets.ledger import Balance, Booking, BudgetAccount, UsageLine


class Ledger(Protocol):
    """The sums of what all jobs may cost, did cost and may have cost. Raises `StorageFailed`."""

    def read(self, page: BudgetAccount) -> Booking:
        """Booking of an account."""
        ...

    def balance(self, page: BudgetAccount) -> Balance:
        """The same, and which warnings of its budget went out."""
        ...

    def scan(self) -> Iterator[tuple[BudgetAccount, Booking]]:
        """All pages. Reads the whole ledger."""
        ...

    def usage(self, first_day: str, last_day: str, *, tenant: str | None = None) -> Iterator[UsageLine]:
        """Usage in these UTC days (both included), by day, tenant and route.

        With a `tenant`, only that tenant's lines are read.
        """
        ...

    def may_announce(self, page: BudgetAccount, now: datetime, *, threshold: int | None = None) -> bool:
        """True if the caller is to announce something about this budget: one caller at a time, until it is done.

        `threshold`: that so many percent of it are reached; `None`: that it is used up. Changes no sum.
        """
        ...

    def announced(self, page: BudgetAccount, *, threshold: int | None = None) -> None:
        """It is announced, once for all."""
        ...
