"""Published of a budget that is used up; see events.py."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from heliograph.domain.identity import derived_id
from heliograph.domain.ledger import Booking, Page
from heliograph.domain.money import usd
from heliograph.domain.published import USD_PATTERN, Envelope, Published


class BudgetExhaustedData(Published):
    """A job was refused because what it may cost does not fit any more; so may others be, until the period is over."""

    account: Annotated[str, Field(description="The tenant, the id of an API key, or * for all together.")]
    period: Annotated[str, Field(description="The UTC day or month.", pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    limit_usd: Annotated[str, Field(pattern=USD_PATTERN)]
    reserved_usd: Annotated[str, Field(description="For jobs that are not over.", pattern=USD_PATTERN)]
    spent_usd: Annotated[str, Field(pattern=USD_PATTERN)]
    unknown_usd: Annotated[str, Field(description="May have been charged; nobody can tell.", pattern=USD_PATTERN)]


class BudgetExhausted(Envelope):
    """`image.budget.exhausted`: once for each account and period."""

    event_type: ClassVar = "image.budget.exhausted"
    data: BudgetExhaustedData


def budget_exhausted(page: Page, booked: Booking, *, limit_microusd: int, at: datetime) -> BudgetExhausted:
    """The one event of a budget that is used up."""
    return BudgetExhausted(
        event_id=derived_id("evt", "budget", *page),
        occurred_at=at,
        data=BudgetExhaustedData(
            account=page.account,
            period=page.period,
            limit_usd=usd(limit_microusd),
            reserved_usd=usd(booked.reserved),
            spent_usd=usd(booked.spent),
            unknown_usd=usd(booked.unknown),
        ),
    )
