"""The accounting of a job: its money, its usage of routes, and its place on a route, as pure functions of its record.

A job store writes the difference between `accounting_of(job)` and `Job.accounted` (what it wrote last) to the ledger
and to the routes' counters, in the same transaction as the job. So the three can't drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from heliograph.budgets.ledger import Booking, BudgetAccount, Usage, accounts_of, key_account
from heliograph.jobs.job import Job, JobAccounting
from heliograph.kernel.tenants import DEFAULT_TENANT, Tenants


class AccountingChange(NamedTuple):
    """The difference that a write of a job makes to the ledger and to the routes' counters.

    `booking` and `usage_by_route` are to be added. `left` and `entered` are the routes whose number of running tasks
    changes; both are `None` if the job stays where it is.
    """

    booking: Booking
    usage_by_route: dict[str, Usage]
    left: str | None
    entered: str | None


def accounting_of(job: Job) -> JobAccounting:
    """The accounting that follows from the job's record."""
    attempt = job.attempt
    is_running = attempt and attempt.is_open and not job.is_over
    return JobAccounting(
        booking=_booking(job),
        usage_by_route=_usage_by_route(job),
        running_on=attempt.route if attempt and is_running else None,
    )


def accounting_change(job: Job) -> AccountingChange:
    """The difference between the job's accounting and what its store wrote last."""
    before, now = job.accounted, accounting_of(job)
    changes = {
        route: now.usage_by_route.get(route, Usage()).minus(before.usage_by_route.get(route, Usage()))
        for route in [*now.usage_by_route, *before.usage_by_route]
    }
    moves = now.running_on != before.running_on
    return AccountingChange(
        booking=now.booking.minus(before.booking),
        usage_by_route={route: change for route, change in changes.items() if any(change)},
        left=before.running_on if moves else None,
        entered=now.running_on if moves else None,
    )


def with_accounting(job: Job) -> Job:
    """The job as its store records it, once the change of its accounting is written."""
    return job.model_copy(update={"accounted": accounting_of(job)})


def ends_with_this_write(job: Job) -> bool:
    """True if the write of this job ends it: that write, and no other, releases what was reserved for it.

    Nothing is reserved for a job that was meant to reuse a result: for such a job it is the first write after its end
    and before its event.
    """
    return job.is_over and (job.accounted.booking.reserved > 0 or (job.quote_microusd == 0 and not job.announced))


def budget_limits(job: Job, tenants: Tenants) -> Iterator[tuple[BudgetAccount, int | None]]:
    """The accounts that the job is booked on, each with its limit in micro-dollars."""
    for account, period in accounts_of(job.tenant, job.created_at):
        yield account, tenants.limit(account.account, period)
    if job.key_budget:
        yield key_account(job.key_budget.key_id, job.created_at), job.key_budget.daily_microusd


def takes_a_share(job: Job) -> bool:
    """True if the job also counts against its tenant's share of a route. The default tenant has no share."""
    return job.tenant != DEFAULT_TENANT


def _booking(job: Job) -> Booking:
    unknown = job.unknown_cost_microusd
    if job.is_over:
        return Booking(0, job.spent_microusd, unknown)
    running = job.attempt.price_microusd if job.attempt and job.attempt.is_open else 0
    return Booking(max(job.quote_microusd, running), 0, unknown)


def _usage_by_route(job: Job) -> dict[str, Usage]:
    """Images that the job brought and what it cost on each route, as far as that is known."""
    usage = {attempt.route: Usage() for attempt in job.attempts}
    for attempt in job.unsettled:
        usage[attempt.route] = usage[attempt.route].plus(Usage(unknown=attempt.unknown_cost_microusd))
    for settlement in job.settlements:
        attempt = job.attempt_of(settlement.attempt_id)
        late = Usage(pictures=len(settlement.results), spent=job.cost_of(settlement))
        usage[attempt.route] = usage[attempt.route].plus(late)
    if job.is_over and job.attempt:
        route = job.attempt.route
        usage[route] = usage[route].plus(Usage(pictures=len(job.results), spent=job.price_microusd))
    return {route: used for route, used in usage.items() if any(used)}
