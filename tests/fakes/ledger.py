"""A ledger in a dictionary, written by the fake job store as the real one's transactions write theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from heliograph.budgets.ledger import WARNED_AT, Balance, Booking, BudgetAccount, Usage, UsageLine
from heliograph.jobs.accounting import accounting_change, budget_limits
from heliograph.jobs.job import Job
from heliograph.kernel.errors import BudgetExceeded
from heliograph.kernel.tenants import Period, Tenants

from tests.fakes.script import Line, Script


class InMemoryLedger:
    """A `Ledger` with limits; `tenants` may be exchanged."""

    def __init__(self) -> None:
        self.pages: dict[BudgetAccount, Booking] = defaultdict(Booking)
        self.used: dict[tuple[str, str, str], Usage] = {}
        self.tenants = Tenants()
        self.lines_read = 0
        self._announcing: dict[tuple[BudgetAccount, int | None], datetime] = {}
        self._announced: set[tuple[BudgetAccount, int | None]] = set()
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `read`, `balance`, `may_announce` or `announced`."""
        self._script.on(method, *lines)

    def read(self, page: BudgetAccount) -> Booking:
        with self._script.playing("read"):
            return self.pages.get(page, Booking())

    def balance(self, page: BudgetAccount) -> Balance:
        with self._script.playing("balance"):
            warned = (percent for percent in WARNED_AT if (page, percent) in self._announced)
            return Balance(self.pages.get(page, Booking()), frozenset(warned))

    def scan(self) -> Iterator[tuple[BudgetAccount, Booking]]:
        with self._script.playing("scan"):
            yield from self.pages.items()

    def usage(self, first_day: str, last_day: str, *, tenant: str | None = None) -> Iterator[UsageLine]:
        with self._script.playing("usage"):
            for (day, whose, route), usage in self.used.items():
                if first_day <= day <= last_day and tenant in (None, whose):
                    self.lines_read += 1
                    yield UsageLine(day, whose, route, usage)

    def may_announce(self, page: BudgetAccount, now: datetime, *, threshold: int | None = None) -> bool:
        with self._script.playing("may_announce"):
            begun = self._announcing.get((page, threshold))
            if (page, threshold) in self._announced or (begun and now - begun <= timedelta(seconds=60)):
                return False
            self._announcing[page, threshold] = now
            return True

    def announced(self, page: BudgetAccount, *, threshold: int | None = None) -> None:
        with self._script.playing("announced"):
            self._announced.add((page, threshold))

    def check(self, job: Job) -> None:
        """Raises `BudgetExceeded` if what the job may cost now does not fit."""
        difference = accounting_change(job).booking
        if difference.committed <= 0 or job.is_over:
            return
        for page, limit in budget_limits(job, self.tenants):
            if limit is not None and self.pages[page].committed + difference.committed > limit:
                raise BudgetExceeded(page.account, page.period, limit)

    def book(self, job: Job) -> None:
        """Adds what changed."""
        change = accounting_change(job)
        for route, more in change.usage_by_route.items():
            line = (Period.DAY.of(job.created_at), job.tenant, route)
            self.used[line] = self.used.get(line, Usage()).plus(more)
        for page, _ in budget_limits(job, self.tenants):
            self.pages[page] = self.pages[page].plus(change.booking)
