"""Budgets that a caller's jobs count against: of its key, of its tenant, and of all tenants together."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from heliograph.access.keys import Caller
from heliograph.budgets.ledger import BudgetAccount, accounts_of, key_account
from heliograph.kernel.tenants import EVERYBODY, Period, Tenants


class Account(StrEnum):
    """Whose budget it is. `deployment`: of all tenants together; its amounts are for operators only."""

    KEY = "key"
    TENANT = "tenant"
    DEPLOYMENT = "deployment"


class BudgetLimit(NamedTuple):
    """A configured limit, and the page of the ledger that counts against it."""

    account: Account
    period: Period
    page: BudgetAccount
    limit_microusd: int

    def is_known_to(self, caller: Caller) -> bool:
        """True if the caller may see its amounts: those of all tenants together show what the others spend."""
        return self.account is not Account.DEPLOYMENT or caller.is_operator


def limits_on(caller: Caller, tenants: Tenants, now: datetime) -> tuple[BudgetLimit, ...]:
    """Every limit on a job that the caller would make now: the tenant's, the deployment's, the key's."""
    configured = [
        (_account(page), period, page, tenants.limit(page.account, period))
        for page, period in accounts_of(caller.tenant, now)
    ]
    if caller.key_id is not None:
        page = key_account(caller.key_id, now)
        configured.append((Account.KEY, Period.DAY, page, caller.daily_budget_microusd))
    return tuple(
        BudgetLimit(account, period, page, limit) for account, period, page, limit in configured if limit is not None
    )


def _account(page: BudgetAccount) -> Account:
    return Account.DEPLOYMENT if page.account == EVERYBODY else Account.TENANT
