"""`GET /v1/me`: the caller's key, its limits, and what is left of its budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.access.authenticate import valid_key
from heliograph.budgets.ledger import Booking
from heliograph.budgets.limits import BudgetLimit, limits_on

if TYPE_CHECKING:
    from heliograph.access.keys import ApiKey, Caller
    from heliograph.access.ports import KeyStore
    from heliograph.budgets.ports import Ledger
    from heliograph.kernel.ports import Clock
    from heliograph.kernel.tenants import Tenants
    from heliograph.routes.ports import RouteStates


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """A budget as it stands: its limit, what counts against it, and when the next period begins."""

    limit: BudgetLimit
    booked: Booking
    renews_at: datetime

    @property
    def left_microusd(self) -> int:
        """The amount that new jobs may still cost."""
        return max(0, self.limit.limit_microusd - self.booked.committed)


@dataclass(frozen=True, slots=True)
class Me:
    """The caller, its key's record (`None` for the deployment's own key), and the budgets that it may know."""

    caller: Caller
    key: ApiKey | None
    budgets: tuple[BudgetLeft, ...]
    spending_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeReader:
    """Reads a caller's own limits. Limits are the ones in force for this call, as the gateway knows the key."""

    tenants: Tenants
    ledger: Ledger
    states: RouteStates
    keys: KeyStore
    clock: Clock

    def me(self, caller: Caller) -> Me:
        """The caller's key and limits. Raises `KeyRevoked` and `StorageFailed`."""
        key = valid_key(caller.key_id, keys=self.keys, clock=self.clock) if caller.key_id is not None else None
        paused = self.states.snapshot(()).spending_pause is not None
        return Me(caller, key, self.budgets(caller), spending_paused=paused)

    def budgets(self, caller: Caller) -> tuple[BudgetLeft, ...]:
        """The budgets that limit the caller and that it may know: one read for each. Raises `StorageFailed`."""
        now = self.clock.now()
        known = (limit for limit in limits_on(caller, self.tenants, now) if limit.is_known_to(caller))
        return tuple(BudgetLeft(limit, self.ledger.read(limit.page), limit.period.renews_at(now)) for limit in known)
