"""The ledger: bookings of jobs against budgets. jobs/accounting.py computes them from each job's record.

    reserved   what the job may still cost: from its submission until it is over
    spent      what it did cost, at the price of the route that did it
    unknown    what it may have cost, where nobody can tell: counted as spent against every limit

A job's money belongs to the UTC day and month of its submission, whenever it is spent. The store writes the
difference between a job's old and new `Booking` in the same transaction as the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from heliograph.kernel.tenants import EVERYBODY, Period, Tenants

# Percent of a budget at which a warning goes out.
WARNED_AT = (50, 80)
# Money that was committed in the last minutes of a day is found by a sweep of the next: as late as this.
_LATE = timedelta(hours=1)


class Booking(NamedTuple):
    """Micro-dollars of one job, or of many."""

    reserved: int = 0
    spent: int = 0
    unknown: int = 0

    @property
    def committed(self) -> int:
        """Micro-dollars that count against a limit."""
        return self.reserved + self.spent + self.unknown

    def plus(self, other: Booking) -> Booking:
        """`self + other`, field by field."""
        return Booking(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: Booking) -> Booking:
        """`self - other`, field by field."""
        return Booking(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Balance(NamedTuple):
    """Balance of an account: its sums, and the percentages whose warnings went out."""

    booked: Booking
    warned: frozenset[int] = frozenset()

    def due(self, limit_microusd: int) -> tuple[int, ...]:
        """Percentages of the limit that are reached and whose warnings did not go out, lowest first."""
        hundredfold = self.booked.committed * 100
        return tuple(each for each in WARNED_AT if hundredfold >= limit_microusd * each and each not in self.warned)


class Usage(NamedTuple):
    """Usage of a route: images stored (`pictures`), and micro-dollars as in a `Booking`."""

    pictures: int = 0
    spent: int = 0
    unknown: int = 0

    def plus(self, other: Usage) -> Usage:
        """`self + other`, field by field."""
        return Usage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: Usage) -> Usage:
        """`self - other`, field by field."""
        return Usage(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class UsageLine(NamedTuple):
    """Usage of a route by a tenant's jobs of a UTC day."""

    day: str
    tenant: str
    route: str
    usage: Usage


class BudgetAccount(NamedTuple):
    """Account of the ledger: a tenant's, an API key's or everybody's, for a UTC day or month."""

    account: str
    period: str


def accounts_of(tenant: str, created_at: datetime) -> tuple[tuple[BudgetAccount, Period], ...]:
    """The four accounts that every job is booked on."""
    return tuple(
        (BudgetAccount(account, period.of(created_at)), period)
        for account in (tenant, EVERYBODY)
        for period in (Period.DAY, Period.MONTH)
    )


def key_account(key_id: str, created_at: datetime) -> BudgetAccount:
    """The account of an API key that has a budget of its own."""
    return BudgetAccount(key_id, Period.DAY.of(created_at))


def budgets(tenants: Tenants, now: datetime) -> Mapping[BudgetAccount, int]:
    """Configured budgets of the day and month of `now` and of an hour before: their pages, and limits in micro-dollars.

    Budgets of API keys are in the keys' records, and not among them.
    """
    found = (
        (BudgetAccount(account, period.of(at)), tenants.limit(account, period))
        for account in (*tenants.named, EVERYBODY)
        for period in Period
        for at in (now - _LATE, now)
    )
    return {page: limit for page, limit in found if limit is not None}
