"""Tenants: their budgets and their share of a busy route. All of it is configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from heliograph.kernel.money import POSITIVE_USD, microdollars, positive_usd
from heliograph.kernel.patterns import Pattern

EVERYBODY = "*"
DEFAULT_TENANT = "default"
# An API key with a budget of its own. (Names of tenants have no underscore.)
KEY_ACCOUNT = re.compile(r"key_[a-z2-7]{26}")
TenantName = Annotated[
    str,
    Pattern(
        r"[a-z0-9][a-z0-9.-]{0,63}",
        "must be 1 to 64 lower-case letters, digits, dots and hyphens, and begin with a letter or a digit",
    ),
]


class Period(StrEnum):
    """Period of a budget. Both end at midnight, UTC."""

    DAY = "day"
    MONTH = "month"

    def of(self, at: datetime) -> str:
        """The name of the period that `at` (in UTC) lies in: `2026-11-22` or `2026-11`."""
        return at.strftime("%Y-%m-%d" if self is Period.DAY else "%Y-%m")

    def renews_at(self, at: datetime) -> datetime:
        """The end of the period that `at` (in UTC) lies in, when the next one begins with its whole budget."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Period.DAY:
            return midnight + timedelta(days=1)
        # Four days after the 28th is always in the next month.
        return (midnight.replace(day=28) + timedelta(days=4)).replace(day=1)


def _is_a_budget(value: str) -> str:
    return positive_usd(value, if_zero="must be more than 0; leave the budget out for no limit")


Budget = Annotated[str, AfterValidator(_is_a_budget), Field(json_schema_extra={"pattern": POSITIVE_USD})]


class Limits(BaseModel):
    """Budgets for a UTC day and a UTC month, in USD; no limit if not given."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    daily_budget_usd: Budget | None = None
    monthly_budget_usd: Budget | None = None

    def limit(self, period: Period) -> int | None:
        """Budget for a period, in micro-dollars; `None` for no limit."""
        budget = self.daily_budget_usd if period is Period.DAY else self.monthly_budget_usd
        return None if budget is None else microdollars(budget)


class Tenant(Limits):
    """One who pays. While several wait for a route, each gets turns by its `weight`."""

    weight: Annotated[int, Field(ge=1, le=1000)] = 1


class Tenants(BaseModel):
    """The configured tenants, and the limits of all together. Who is not named has weight 1 and no limit of its own."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    named: Mapping[TenantName, Tenant] = {}
    together: Limits = Limits()

    def weight(self, tenant: str) -> int:
        """Its share of a busy route, against those of the others."""
        return self._tenant(tenant).weight

    def limit(self, account: str, period: Period) -> int | None:
        """Budget of the account (a tenant, or `EVERYBODY`) for a period, in micro-dollars."""
        limits = self.together if account == EVERYBODY else self._tenant(account)
        return limits.limit(period)

    def _tenant(self, name: str) -> Tenant:
        return self.named.get(name, Tenant())
