"""Compare the ledger with what it is the sum of: the jobs' own records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from heliograph.budgets.ledger import Booking, BudgetAccount, Usage, UsageLine
from heliograph.jobs.accounting import accounting_of, budget_limits
from heliograph.jobs.job import Job
from heliograph.kernel.tenants import Period, Tenants


@dataclass(frozen=True, slots=True)
class Comparison:
    """The booking of one account in the ledger, and what it should be."""

    page: BudgetAccount
    booked: Booking
    of_jobs: Booking

    @property
    def agrees(self) -> bool:
        """True if both are the same, to the micro-dollar."""
        return self.booked == self.of_jobs


def check_ledger(
    jobs: Iterable[Job], ledger: Iterable[tuple[BudgetAccount, Booking]], *, complete_since: datetime
) -> list[Comparison]:
    """Every page that either side has, oldest period first.

    Pages of periods that began before `complete_since` are left out: records of their jobs may be deleted. While jobs
    come and go, a page may differ for the moment that lies between reading the two sides.
    """
    of_jobs: dict[BudgetAccount, Booking] = defaultdict(Booking)
    for job in jobs:
        for page, _ in budget_limits(job, Tenants()):
            of_jobs[page] = of_jobs[page].plus(accounting_of(job).booking)
    booked = dict(ledger)
    found = (Comparison(page, booked.get(page, Booking()), of_jobs[page]) for page in {*booked, *of_jobs})
    complete = (line for line in found if _began_at(line.page.period) >= complete_since)
    return sorted(complete, key=lambda line: (line.page.period, line.page.account))


@dataclass(frozen=True, slots=True)
class UsageComparison:
    """A tenant's line of usage for a day and a route, and what it should be."""

    line: UsageLine
    of_jobs: Usage

    @property
    def agrees(self) -> bool:
        """True if both are the same, to the image and the micro-dollar."""
        return self.line.usage == self.of_jobs


def check_usage(jobs: Iterable[Job], lines: Iterable[UsageLine], *, complete_since: datetime) -> list[UsageComparison]:
    """Every line that either side has, oldest day first; days that began before `complete_since` are left out."""
    of_jobs: dict[tuple[str, str, str], Usage] = defaultdict(Usage)
    for job in jobs:
        for route, usage in accounting_of(job).usage_by_route.items():
            place = (Period.DAY.of(job.created_at), job.tenant, route)
            of_jobs[place] = of_jobs[place].plus(usage)
    told = {line[:3]: line.usage for line in lines}
    found = (
        UsageComparison(UsageLine(*place, told.get(place, Usage())), of_jobs[place]) for place in {*told, *of_jobs}
    )
    complete = (one for one in found if _began_at(one.line.day) >= complete_since)
    return sorted(complete, key=lambda one: one.line[:3])


def _began_at(period: str) -> datetime:
    """The first moment of a UTC day or month: its earliest job may be as old as that."""
    return datetime.fromisoformat(f"{period}-01"[:10]).replace(tzinfo=UTC)


def running_tasks(jobs: Iterable[Job]) -> Counter[str]:
    """Number of jobs that run on each route, by their own records."""
    routes = (accounting_of(job).running_on for job in jobs)
    return Counter(route for route in routes if route)
