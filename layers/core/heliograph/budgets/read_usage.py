"""Read usage, by day, tenant and route: `GET /v1/usage`."""

from __future__ import annotations

from dataclasses import dataclass
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
# Wide enough for any query, and away from the ends of the calendar.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2999, 12, 31)
_Day = Annotated[date, Field(ge=_EARLIEST, le=_LATEST, json_schema_extra={"pattern": r"^2\d{3}-\d{2}-\d{2}$"}), DAY]


class UsageQuery(BaseModel):
    """The query of `GET /v1/usage`: UTC days, both included, and a tenant for operators."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    first: Annotated[_Day | None, Field(alias="from", description="The first UTC day; 30 days ago unless given.")] = (
        None
    )
    last: Annotated[_Day | None, Field(alias="to", description="The last UTC day; today unless given.")] = None
    tenant: Annotated[TenantName | None, Field(description="One tenant's only.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReader:
    """Reads usage from the ledger."""

    ledger: Ledger
    clock: Clock

    def read(self, query: UsageQuery, *, caller: Caller) -> tuple[UsageLine, ...]:
        """Usage lines, newest day first. Only operators see other tenants' lines; for others that list is empty.

        Raises `InvalidRequest` for more days than fit in one answer, because a part would look like the whole.
        """
        last = query.last or max(self.clock.now().date(), query.first or _EARLIEST)
        first = query.first or last - timedelta(days=_USUAL_DAYS - 1)
        if not first <= last < first + timedelta(days=MOST_DAYS):
            raise InvalidRequest(Fault("?to", f"must be on or after `from`, and within {MOST_DAYS} days of it"))
        tenant = query.tenant or (None if caller.is_operator else caller.tenant)
        if not caller.is_operator and tenant != caller.tenant:
            return ()
        lines = self.ledger.usage(first.isoformat(), last.isoformat(), tenant=tenant)
        return tuple(sorted(lines, key=lambda line: (line.day, line.tenant, line.route), reverse=True))
