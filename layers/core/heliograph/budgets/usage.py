"""`GET /v1/usage`: pictures and money, by day, tenant and route."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from heliograph.access.keys import Caller
from heliograph.budgets.ledger import UsageLine
from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.query_params import DAY
from heliograph.kernel.tenants import TenantName

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.kernel.ports import Clock

MOST_DAYS = 92
_USUAL_DAYS = 30
# Far enough for anybody, and from the ends of the calendar.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2999, 12, 31)
_Day = Annotated[date, Field(ge=_EARLIEST, le=_LATEST, json_schema_extra={"pattern": r"^2\d{3}-\d{2}-\d{2}$"}), DAY]


class UsageQuery(BaseModel):
    """Which UTC days, both included; of whom, for those who may see others."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    first: Annotated[_Day | None, Field(alias="from", description="The first UTC day; 30 days ago unless given.")] = (
        None
    )
    last: Annotated[_Day | None, Field(alias="to", description="The last UTC day; today unless given.")] = None
    tenant: Annotated[TenantName | None, Field(description="One tenant's only.")] = None


def read_usage(query: UsageQuery, *, caller: Caller, ledger: Ledger, clock: Clock) -> tuple[UsageLine, ...]:
    """Newest day first. Whoever is no operator sees their own tenant's; another's is empty, as if there were none.

    Raises `InvalidRequest` for more days than can be told at once: part of them would look like all.
    """
    last = query.last or max(clock.now().date(), query.first or _EARLIEST)
    first = query.first or last - timedelta(days=_USUAL_DAYS - 1)
    if not first <= last < first + timedelta(days=MOST_DAYS):
        raise InvalidRequest(Fault("?to", f"must be on or after `from`, and within {MOST_DAYS} days of it"))
    wanted = query.tenant or (None if caller.is_operator else caller.tenant)
    if not caller.is_operator and wanted != caller.tenant:
        return ()
    lines = ledger.usage(first.isoformat(), last.isoformat(), tenant=wanted)
    return tuple(sorted(lines, key=lambda line: (line.day, line.tenant, line.route), reverse=True))
