"""Announce budgets that are nearly or completely used up: each threshold once per period."""

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
class BudgetAnnouncer:
    """Publishes `image.budget.warning` and `image.budget.exhausted`."""

    ledger: Ledger
    bus: EventBus
    clock: Clock

    def warn(self, account: BudgetAccount, limit_microusd: int) -> tuple[int, ...]:
        """Publishes the warnings that are due, unless another run did or does. Returns their thresholds, in percent.

        Raises an `Unavailable`; the same call then publishes what is missing, from a minute later.
        """
        balance = self.ledger.balance(account)
        published = []
        for threshold in balance.due(limit_microusd):
            now = self.clock.now()
            if self.ledger.may_announce(account, now, threshold=threshold):
                self.bus.publish(
                    budget_warning(account, balance.booked, threshold=threshold, limit_microusd=limit_microusd, at=now)
                )
                self.ledger.announced(account, threshold=threshold)
                published.append(threshold)
        return tuple(published)

    def warn_of_key(self, account: BudgetAccount, limit_microusd: int) -> None:
        """Publishes the warnings that are due for an API key's budget, after a job was created with that key.

        Such budgets are configured only in the keys, so the sweep doesn't know them. Never raises: the key's next job
        tries again.
        """
        with suppress(Unavailable):
            self.warn(account, limit_microusd)

    def exhausted(self, error: BudgetExceeded) -> None:
        """Publishes `image.budget.exhausted`, unless another run does. Never raises: the next refusal retries."""
        account = BudgetAccount(error.account, error.period)
        with suppress(Unavailable):
            if self.ledger.may_announce(account, self.clock.now()):
                booked = self.ledger.read(account)
                event = budget_exhausted(account, booked, limit_microusd=error.limit_microusd, at=self.clock.now())
                self.bus.publish(event)
                self.ledger.announced(account)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWatch:
    """Warns of the configured budgets: each tenant's, and the one for all tenants together."""

    tenants: Tenants
    announcer: BudgetAnnouncer

    def warn(self) -> list[str]:
        """Publishes the warnings that are due; returns one line for each.

        One read per budget. Never raises, and stops at the first failure, because the others would take as long to
        fail: the next sweep tries again.
        """
        done: list[str] = []
        try:
            for account, limit_microusd in budgets(self.tenants, self.announcer.clock.now()).items():
                done += [
                    f"warned of the budget of {account.account} for {account.period}: {threshold} %"
                    for threshold in self.announcer.warn(account, limit_microusd)
                ]
        except Unavailable as error:
            done.append(f"left the budgets: {error}")
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChecker:
    """Checks prices against budgets before anything that costs. Reserves nothing: the job's own write decides."""

    tenants: Tenants
    announcer: BudgetAnnouncer

    def check(self, caller: Caller, price_microusd: int) -> None:
        """Raises `BudgetExceeded` if a job of that price would not fit now, and announces it as for a refused job.

        One read per budget.
        """
        for _, _, account, limit_microusd in limits_on(caller, self.tenants, self.announcer.clock.now()):
            if self.announcer.ledger.read(account).committed + price_microusd > limit_microusd:
                error = BudgetExceeded(account.account, account.period, limit_microusd)
                self.announcer.exhausted(error)
                raise error


def budget_failure(error: BudgetExceeded) -> Failure:
    """Failure of a job that fits no budget: free, and retryable in the next period or with a higher limit."""
    return Failure(code=FailureCode.BUDGET_EXCEEDED, message=str(error), retryable=True, charged=Charged.NO)
