"""Tenants and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from heliograph.kernel.tenants import Budget, Limits, Tenant, TenantName, Tenants
from heliograph.runtime.environment import Settings, none_is_none, parsed

ConfiguredTenants = Annotated[Mapping[TenantName, Tenant], BeforeValidator(parsed)]
TotalBudget = Annotated[Budget | None, BeforeValidator(none_is_none)]


class TenancySettings(Settings):
    """The configured tenants, and the budgets of all tenants together."""

    tenants: ConfiguredTenants
    daily_budget_usd: TotalBudget
    monthly_budget_usd: TotalBudget

    @property
    def tenancy(self) -> Tenants:
        """The tenants and their limits."""
        together = Limits(daily_budget_usd=self.daily_budget_usd, monthly_budget_usd=self.monthly_budget_usd)
        return Tenants(named=self.tenants, together=together)
