"""`dry_run` of `POST /v1/jobs`: what a job would cost, and whether it could begin now. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.domain.breaker import Circuit
from heliograph.domain.keys import Caller, Scope
from heliograph.domain.ledger import Page, key_page, pages
from heliograph.domain.money import usd
from heliograph.domain.requests import JobRequest, candidates
from heliograph.domain.routes import Route, Routes
from heliograph.domain.tenants import EVERYBODY, KEY_ACCOUNT, Tenants

if TYPE_CHECKING:
    from heliograph.ports import Clock, Ledger, RouteStates


@dataclass(frozen=True, slots=True)
class Quote:
    """The request with everything filled in, and the routes it could take, in order, with their circuits.

    `left_microusd`: of the tightest budget that the caller may know; `None` where none limits it. `obstacle`: why it
    would be refused, or would have to wait; `None` if it could begin now.
    """

    request: JobRequest
    circuits: Mapping[Route, Circuit]
    left_microusd: int | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """Quotes requests by the budgets and the routes as they are now."""

    tenants: Tenants
    ledger: Ledger
    states: RouteStates
    clock: Clock

    def quote(self, request: JobRequest, routes: Routes, *, caller: Caller) -> Quote:
        """One read for each budget that the job would count against, and one of the routes. Raises `StorageFailed`."""
        now = self.clock.now()
        found = candidates(request, routes)
        left = {page: limit - self.ledger.read(page).committed for page, limit in self._limits(caller, now).items()}
        traffic = self.states.look(found)
        circuits = {route: traffic.routes[route.name].breaker.circuit(now) for route in found}
        # What is left of everybody's budget tells what the others spend.
        known = [amount for page, amount in left.items() if page.account != EVERYBODY or caller.may(Scope.ADMIN)]
        obstacle = (
            _over_budget(left, found[0])
            or ("spending is paused: it would wait until an operator resumes it" if traffic.halt else None)
            or _out_of_service(circuits)
        )
        return Quote(request, circuits, max(0, min(known)) if known else None, obstacle)

    def _limits(self, caller: Caller, now: datetime) -> Mapping[Page, int]:
        limits = {page: self.tenants.limit(page.account, period) for page, period in pages(caller.tenant, now)}
        if caller.key_id is not None:
            limits[key_page(caller.key_id, now)] = caller.daily_budget_microusd
        return {page: limit for page, limit in limits.items() if limit is not None}


def _over_budget(left: Mapping[Page, int], first: Route) -> str | None:
    """Of the tightest budget: the price of the first route is what is reserved when the job is made."""
    page = min(left, key=lambda page: left[page], default=None)
    if page is None or left[page] >= first.price_microusd:
        return None
    whose = (
        "all tenants together"
        if page.account == EVERYBODY
        else "this key"
        if KEY_ACCOUNT.fullmatch(page.account)
        else "the tenant"
    )
    return (
        f"it would be refused: the budget of {whose} for {page.period} has no room for {usd(first.price_microusd)} USD"
    )


def _out_of_service(circuits: Mapping[Route, Circuit]) -> str | None:
    if any(circuit is not Circuit.OPEN for circuit in circuits.values()):
        return None
    names = ", ".join(route.name for route in circuits)
    return f"it would wait: none of its routes is in service at the moment ({names})"
