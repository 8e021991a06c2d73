"""`GET /v1/usage`: pictures and money, by day, tenant and route."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from heliograph.domain.keys import Caller, Scope
from heliograph.domain.ledger import UsageLine
from heliograph.domain.tenants import TenantName
from heliograph.ports import Clock, Ledger

MOST_DAYS = 92
_USUAL_DAYS = 30


class UsageQuery(BaseModel):
    """Which UTC days, both included; of whom, for those who may see others."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", populate_by_name=True)

    first: Annotated[date | None, Field(alias="from", description="The first UTC day; 30 days ago unless given.")] = (
        None
    )
    last: Annotated[date | None, Field(alias="to", description="The last UTC day; today unless given.")] = None
    tenant: Annotated[TenantName | None, Field(description="One tenant's only.")] = None

    @field_validator("last")
    @classmethod
    def _is_not_long(cls, last: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("first")
        if first and last and not first <= last < first + timedelta(days=MOST_DAYS):
            raise ValueError(f"must be on or after `from`, and within {MOST_DAYS} days of it")
        return last


def read_usage(query: UsageQuery, *, caller: Caller, ledger: Ledger, clock: Clock) -> tuple[UsageLine, ...]:
    """Newest day first. Whoever is no admin sees their own tenant's; another's is empty, as if there were none."""
    last = query.last or max(clock.now().date(), query.first or date.min)
    first = query.first or last - timedelta(days=_USUAL_DAYS - 1)
    first = max(first, last - timedelta(days=MOST_DAYS - 1))
    wanted = query.tenant or (None if caller.may(Scope.ADMIN) else caller.tenant)
    if not caller.may(Scope.ADMIN) and wanted != caller.tenant:
        return ()
    lines = ledger.usage(first.isoformat(), last.isoformat())
    mine = (line for line in lines if wanted in (None, line.tenant))
    return tuple(sorted(mine, key=lambda line: (line.day, line.tenant, line.route), reverse=True))
