"""Say, once for each period, that a budget is used up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from heliograph.domain.budget_events import budget_exhausted
from heliograph.domain.errors import BudgetExceeded, Unavailable
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.ledger import Page

if TYPE_CHECKING:
    from heliograph.ports import Clock, EventBus, Ledger


def announce_exhausted(error: BudgetExceeded, *, ledger: Ledger, bus: EventBus, clock: Clock) -> None:
    """Publishes `image.budget.exhausted`, unless somebody did or does. Never raises: the next refusal tries again."""
    page = Page(error.account, error.period)
    with suppress(Unavailable):
        if ledger.may_announce(page, clock.now()):
            booked = ledger.read(page)
            bus.publish(budget_exhausted(page, booked, limit_microusd=error.limit_microusd, at=clock.now()))
            ledger.announced(page)


def budget_failure(error: BudgetExceeded) -> Failure:
    """Free, and worth another try when the period is over or the limit is raised."""
    return Failure(code=FailureCode.BUDGET_EXCEEDED, message=str(error), retryable=True, charged=Charged.NO)
