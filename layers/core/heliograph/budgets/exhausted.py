"""Say that a budget is nearly used up, or used up: once for each period."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.budgets.events import budget_exhausted, budget_warning
from heliograph.budgets.ledger import BudgetAccount, budgets
from heliograph.budgets.limits import limits_on
from heliograph.kernel.errors import BudgetExceeded, Unavailable
from heliograph.kernel.failures import Charged, Failure, FailureCode

if TYPE_CHECKING:
    from heliograph.access.keys import Caller
    from heliograph.budgets.ports import Ledger
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.kernel.tenants import Tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWatch:
    """Warns of the configured budgets: those of tenants, and of all together."""

    tenants: Tenants
    ledger: Ledger
    bus: EventBus
    clock: Clock

    def warn(self) -> list[str]:
        """Publishes the warnings that are due; returns what was done, one entry for each.

        One read for each budget. Never raises, and stops at the first that fails, because the others would take as long
        to fail: the next sweep tries again.
        """
        done: list[str] = []
        try:
            for page, limit_microusd in budgets(self.tenants, self.clock.now()).items():
                published = announce_warnings(page, limit_microusd, ledger=self.ledger, bus=self.bus, clock=self.clock)
                done += [
                    f"warned of the budget of {page.account} for {page.period}: {threshold} %"
                    for threshold in published
                ]
        except Unavailable as error:
            done.append(f"left the budgets: {error}")
        return done


def warn_of_key(account: BudgetAccount, limit_microusd: int, *, ledger: Ledger, bus: EventBus, clock: Clock) -> None:
    """Publishes the warnings that are due of an API key's budget, after a job was made with that key.

    Such budgets are configured nowhere but in the keys, so no sweep knows them. Never raises: the key's next job tries
    again.
    """
    with suppress(Unavailable):
        announce_warnings(account, limit_microusd, ledger=ledger, bus=bus, clock=clock)


def announce_warnings(
    page: BudgetAccount, limit_microusd: int, *, ledger: Ledger, bus: EventBus, clock: Clock
) -> tuple[int, ...]:
    """Publishes `image.budget.warning` for each threshold that is reached, unless somebody did or does; returns which.

    Raises an `Unavailable`; then the same call will do what is missing, a minute later.
    """
    balance = ledger.balance(page)
    published = []
    for threshold in balance.due(limit_microusd):
        now = clock.now()
        if ledger.may_announce(page, now, threshold=threshold):
            warning = budget_warning(page, balance.booked, threshold=threshold, limit_microusd=limit_microusd, at=now)
            bus.publish(warning)
            ledger.announced(page, threshold=threshold)
            published.append(threshold)
    return tuple(published)


def check_budgets(
    caller: Caller,
    price_microusd: int,
    *,
    tenants: Tenants,
    ledger: Ledger,
    bus: EventBus,
    clock: Clock,
) -> None:
    """Raises `BudgetExceeded` if a job of that price would not fit at the moment, and says so as a refused job does.

    One read for each budget. It reserves nothing: the job's own write decides. For what costs something before that.
    """
    now = clock.now()
    for _, _, page, limit_microusd in limits_on(caller, tenants, now):
        if ledger.read(page).committed + price_microusd > limit_microusd:
            error = BudgetExceeded(page.account, page.period, limit_microusd)
            announce_exhausted(error, ledger=ledger, bus=bus, clock=clock)
            raise error


def announce_exhausted(error: BudgetExceeded, *, ledger: Ledger, bus: EventBus, clock: Clock) -> None:
    """Publishes `image.budget.exhausted`, unless somebody did or does. Never raises: the next refusal tries again."""
    page = BudgetAccount(error.account, error.period)
    with suppress(Unavailable):
        if ledger.may_announce(page, clock.now()):
            booked = ledger.read(page)
            bus.publish(budget_exhausted(page, booked, limit_microusd=error.limit_microusd, at=clock.now()))
            ledger.announced(page)


def budget_failure(error: BudgetExceeded) -> Failure:
    """Free, and worth another try when the period is over or the limit is raised."""
    return Failure(code=FailureCode.BUDGET_EXCEEDED, message=str(error), retryable=True, charged=Charged.NO)
