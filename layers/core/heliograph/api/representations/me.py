"""The caller's own key, and what is left of its budgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AwareDatetime, Field

from heliograph.access.keys import Scope
from heliograph.api.representations import Representation
from heliograph.api.representations.jobs import Usd
from heliograph.budgets.limits import Account
from heliograph.budgets.read_me import BudgetLeft, Me
from heliograph.kernel.money import usd
from heliograph.kernel.tenants import Period


class BudgetResource(Representation):
    """A budget as it stands."""

    account: Annotated[
        Account,
        Field(description="The key's own budget, its tenant's, or (for operators only) that of all tenants together."),
    ]
    period: Annotated[Period, Field(description="A UTC day or month.")]
    limit_usd: Usd
    spent_usd: Annotated[Usd, Field(description="Charged.")]
    unknown_usd: Annotated[Usd, Field(description="May have been charged; counts as spent.")]
    reserved_usd: Annotated[Usd, Field(description="For jobs that have not ended.")]
    left_usd: Annotated[Usd, Field(description="Left for new jobs in this period.")]
    renews_at: Annotated[AwareDatetime, Field(description="When the next period begins.")]

    @classmethod
    def of(cls, budget: BudgetLeft) -> BudgetResource:
        """The budget, as the caller sees it."""
        booked = budget.booked
        return cls(
            account=budget.limit.account,
            period=budget.limit.period,
            limit_usd=usd(budget.limit.limit_microusd),
            spent_usd=usd(booked.spent),
            unknown_usd=usd(booked.unknown),
            reserved_usd=usd(booked.reserved),
            left_usd=usd(budget.left_microusd),
            renews_at=budget.renews_at,
        )


def budget_resources(budgets: Iterable[BudgetLeft]) -> tuple[BudgetResource, ...]:
    """The budgets, as the caller sees them."""
    return tuple(map(BudgetResource.of, budgets))


class MeResource(Representation):
    """The key that made the call, and its limits as they are in force."""

    key_id: Annotated[str | None, Field(description="Null for the deployment's own key.")]
    name: Annotated[str | None, Field(description="Null for the deployment's own key.")]
    tenant: str
    scopes: tuple[Scope, ...]
    requests_per_minute: Annotated[int | None, Field(description="Null: no limit.")]
    budgets: Annotated[
        tuple[BudgetResource, ...],
        Field(description="Every budget that limits the key's jobs; may be empty."),
    ]
    spending_paused: Annotated[
        bool, Field(description="The operator has paused spending: jobs are accepted, and wait until it is resumed.")
    ]

    @classmethod
    def of(cls, me: Me) -> MeResource:
        """The caller's key for the caller."""
        return cls(
            key_id=me.caller.key_id,
            name=me.key.name if me.key else None,
            tenant=me.caller.tenant,
            scopes=tuple(sorted(me.caller.scopes)),
            requests_per_minute=me.caller.requests_per_minute,
            budgets=budget_resources(me.budgets),
            spending_paused=me.spending_paused,
        )
