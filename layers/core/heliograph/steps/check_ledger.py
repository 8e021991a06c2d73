"""Compare the ledger with what it is the sum of: the jobs' own records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from heliograph.domain.jobs import Job
from heliograph.domain.ledger import Booking, Page
from heliograph.domain.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Comparison:
    """One page of the ledger, and what it should say."""

    page: Page
    booked: Booking
    of_jobs: Booking

    @property
    def agrees(self) -> bool:
        """Whether the two are the same, to the micro-dollar."""
        return self.booked == self.of_jobs


def check_ledger(
    jobs: Iterable[Job], ledger: Iterable[tuple[Page, Booking]], *, complete_since: datetime
) -> list[Comparison]:
    """Every page that either side has, oldest period first.

    Pages of periods that began before `complete_since` are left out: records of their jobs may be deleted. While jobs
    come and go, a page may differ for the moment that lies between reading the two sides.
    """
    of_jobs: dict[Page, Booking] = defaultdict(Booking)
    for job in jobs:
        for page, _ in job.ledger_pages(Tenants()):
            of_jobs[page] = of_jobs[page].plus(job.booking)
    booked = dict(ledger)
    found = (Comparison(page, booked.get(page, Booking()), of_jobs[page]) for page in {*booked, *of_jobs})
    first = complete_since.strftime("%Y-%m-%d")
    # A month's name sorts before its days; it began on the first of them.
    complete = (line for line in found if f"{line.page.period}-01"[:10] >= first)
    return sorted(complete, key=lambda line: (line.page.period, line.page.account))


def running_tasks(jobs: Iterable[Job]) -> Counter[str]:
    """How many jobs run on each route, by their own records."""
    return Counter(job.runs_on for job in jobs if job.runs_on)
