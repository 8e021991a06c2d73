"""Published of a budget that is nearly or wholly used up; see events.py."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.kernel.event_envelope import USD_PATTERN, Envelope, Published
from heliograph.kernel.ids import derived_id
from heliograph.kernel.money import usd


class _BudgetData(Published):
    account: Annotated[str, Field(description="The tenant, the id of an API key, or * for all together.")]
    period: Annotated[str, Field(description="The UTC day or month.", pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    limit_usd: Annotated[str, Field(pattern=USD_PATTERN)]
    reserved_usd: Annotated[str, Field(description="For jobs that are not over.", pattern=USD_PATTERN)]
    spent_usd: Annotated[str, Field(pattern=USD_PATTERN)]
    unknown_usd: Annotated[str, Field(description="May have been charged; it is unknown.", pattern=USD_PATTERN)]


class BudgetExhaustedData(_BudgetData):
    """A job was refused because what it may cost does not fit any more; so may others be, until the period is over."""


class BudgetWarningData(_BudgetData):
    """A part of the budget is reserved, spent, or may have been charged. Jobs go on until the limit."""

    threshold_percent: Annotated[
        int, Field(description="The percentage of the limit that is reached: 50 or 80; others may come.", gt=0, lt=100)
    ]


class BudgetExhausted(Envelope):
    """`image.budget.exhausted`: once for each account and period."""

    event_type: ClassVar = "image.budget.exhausted"
    data: BudgetExhaustedData


class BudgetWarning(Envelope):
    """`image.budget.warning`: once for each account, period and threshold."""

    event_type: ClassVar = "image.budget.warning"
    data: BudgetWarningData


def budget_exhausted(page: BudgetAccount, booked: Booking, *, limit_microusd: int, at: datetime) -> BudgetExhausted:
    """The one event of a budget that is used up."""
    return BudgetExhausted(
        event_id=derived_id("evt", "budget", *page),
        occurred_at=at,
        data=BudgetExhaustedData(**_sums(page, booked, limit_microusd)),
    )


def budget_warning(
    page: BudgetAccount, booked: Booking, *, threshold: int, limit_microusd: int, at: datetime
) -> BudgetWarning:
    """The one event of a budget of which `threshold` percent are reached."""
    return BudgetWarning(
        event_id=derived_id("evt", "budget", *page, f"{threshold}%"),
        occurred_at=at,
        data=BudgetWarningData(**_sums(page, booked, limit_microusd), threshold_percent=threshold),
    )


def _sums(page: BudgetAccount, booked: Booking, limit_microusd: int) -> dict[str, str]:
    return {
        "account": page.account,
        "period": page.period,
        "limit_usd": usd(limit_microusd),
        "reserved_usd": usd(booked.reserved),
        "spent_usd": usd(booked.spent),
        "unknown_usd": usd(booked.unknown),
    }
