"""Quote a job: `POST /v1/jobs` with `dry_run`. Its price, and whether it could begin now. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.budgets.limits import Account, BudgetLimit, limits_on
from heliograph.intake.stored_references import StoredReferences
from heliograph.intake.submit_job import JobCall
from heliograph.jobs.request import JobRequest, Rules, candidates, read_request
from heliograph.kernel.money import usd
from heliograph.kernel.tenants import Tenants
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.kernel.ports import Clock
    from heliograph.routes.ports import RouteStates


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a request, and whether its job could begin now."""

    request: JobRequest
    """With every default filled in."""
    circuits: Mapping[Route, Circuit]
    """The routes that it could take, in order, with their circuits."""
    left_microusd: int | None = None
    """Rest of the tightest budget that the caller may know; `None` if none limits it."""
    obstacle: str | None = None
    """Reason why the job would be refused or would have to wait; `None` if it could begin now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuoter:
    """Quotes calls by the budgets and the routes as they are now."""

    rules: Rules
    references: StoredReferences
    tenants: Tenants
    ledger: Ledger
    states: RouteStates
    clock: Clock

    def quote(self, call: JobCall) -> Quote:
        """The quote for a call; nothing is written.

        One read for each stored reference and for each budget that the job would count against, and one for the routes.
        Raises `InvalidRequest` naming every fault, and `StorageFailed`.
        """
        rules = self.rules.of(call.caller.tenant)
        request = self.references.check(read_request(call.document, rules), rules=rules)
        now = self.clock.now()
        found = candidates(request, rules.routes)
        limits = limits_on(call.caller, self.tenants, now)
        left = {each: each.limit_microusd - self.ledger.read(each.page).committed for each in limits}
        snapshot = self.states.snapshot(found)
        circuits = {route: snapshot.routes[route.name].breaker.circuit(now) for route in found}
        known = [amount for each, amount in left.items() if each.is_known_to(call.caller)]
        obstacle = (
            _over_budget(left, found[0])
            or ("spending is paused: it would wait until an operator resumes it" if snapshot.spending_pause else None)
            or _out_of_service(circuits)
        )
        return Quote(request, circuits, max(0, min(known)) if known else None, obstacle)


_WHOSE = {Account.KEY: "this key", Account.TENANT: "the tenant", Account.DEPLOYMENT: "all tenants together"}


def _over_budget(left: Mapping[BudgetLimit, int], first: Route) -> str | None:
    """Checks the tightest budget: the price of the first route is reserved when the job is created."""
    tightest = min(left, key=lambda each: left[each], default=None)
    if tightest is None or left[tightest] >= first.price_microusd:
        return None
    whose, period = _WHOSE[tightest.account], tightest.page.period
    return f"it would be refused: the budget of {whose} for {period} has no room for {usd(first.price_microusd)} USD"


def _out_of_service(circuits: Mapping[Route, Circuit]) -> str | None:
    if any(circuit is not Circuit.OPEN for circuit in circuits.values()):
        return None
    names = ", ".join(route.name for route in circuits)
    return f"it would wait: none of its routes is in service at the moment ({names})"
