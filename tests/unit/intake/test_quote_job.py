"""A dry run says what a job would cost, and whether it could begin now."""

from __future__ import annotations

import json

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.api.representations.jobs import QuoteResource
from heliograph.intake.quote_job import Quote
from heliograph.kernel.errors import BudgetExceeded
from heliograph.kernel.tenants import Limits, Tenant, Tenants

from tests.fakes.deployment import BETA, OWNER, ROUTES, SECOND, InMemoryDeployment

WISH = {"prompt": "x"}
SHOP = Caller(tenant="shop", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
KEY_ID = "key_" + "a" * 26


@pytest.fixture
def here() -> InMemoryDeployment:
    return InMemoryDeployment()


def limit(here: InMemoryDeployment, *, shop: str | None = None, together: str | None = None) -> None:
    named = {"shop": Tenant(daily_budget_usd=shop)} if shop else {}
    here.ledger.tenants = Tenants(named=named, together=Limits(daily_budget_usd=together))


def told(quote: Quote) -> tuple[bool, str | None, str | None]:
    document = QuoteResource.of(quote)
    return document.fits, document.left_usd, document.reason


def test_without_limits_and_with_a_route_in_service_it_fits(here: InMemoryDeployment) -> None:
    assert told(here.quote(WISH)) == (True, None, None)


def test_what_is_left_is_that_of_the_tightest_budget_before_the_job(here: InMemoryDeployment) -> None:
    limit(here, shop="0.20")
    assert told(here.quote(WISH, caller=SHOP)) == (True, "0.20", None)
    here.post(WISH, caller=SHOP)
    assert told(here.quote(WISH, caller=SHOP)) == (True, "0.14", None)
    with_a_budget = SHOP.model_copy(update={"key_id": KEY_ID, "daily_budget_microusd": 70_000})
    assert told(here.quote(WISH, caller=with_a_budget)) == (True, "0.07", None)
    # Another tenant's budgets and jobs are of no concern.
    assert told(here.quote(WISH)) == (True, None, None)


@pytest.mark.parametrize(("budget", "fits"), [("0.059999", False), ("0.06", True)])
def test_it_fits_exactly_where_the_job_itself_would_be_taken(here: InMemoryDeployment, budget: str, fits: bool) -> None:
    limit(here, shop=budget)
    found = told(here.quote(WISH, caller=SHOP))
    assert (found[0], found[1]) == (fits, budget)
    if fits:
        here.post(WISH, caller=SHOP)
    else:
        assert found[2] == ("it would be refused: the budget of the tenant for 2026-11-22 has no room for 0.06 USD")
        with pytest.raises(BudgetExceeded):
            here.post(WISH, caller=SHOP)


def test_a_keys_own_budget_is_named_as_such(here: InMemoryDeployment) -> None:
    caller = SHOP.model_copy(update={"key_id": KEY_ID, "daily_budget_microusd": 50_000})
    fits, left, reason = told(here.quote(WISH, caller=caller))
    assert (fits, left) == (False, "0.05")
    assert reason
    assert "the budget of this key" in reason
    # The other model is cheaper.
    assert told(here.quote({**WISH, "model": SECOND}, caller=caller)) == (True, "0.05", None)


def test_of_everybodys_budget_a_tenant_learns_only_that_it_is_used_up(here: InMemoryDeployment) -> None:
    limit(here, together="0.10")
    assert told(here.quote(WISH, caller=SHOP)) == (True, None, None)
    here.post(WISH)
    fits, left, reason = told(here.quote(WISH, caller=SHOP))
    assert (fits, left) == (False, None)
    assert reason == "it would be refused: the budget of all tenants together for 2026-11-22 has no room for 0.06 USD"
    admin = OWNER.model_copy(update={"scopes": frozenset({Scope.ADMIN})})
    assert told(here.quote(WISH, caller=admin))[:2] == (False, "0.04")


def test_a_job_whose_every_route_is_out_of_service_would_wait(here: InMemoryDeployment) -> None:
    [beta] = [route for route in ROUTES if route.model == BETA]
    here.control.disable(beta, "a s3cret repair")
    assert told(here.quote({**WISH, "policy": "beta-first"}))[0] is True
    quote = here.quote({**WISH, "model": BETA})
    assert told(quote) == (False, None, f"it would wait: none of its routes is in service at the moment ({beta.name})")
    assert [route.circuit for route in QuoteResource.of(quote).routes] == ["open"]


def test_while_spending_is_paused_it_would_wait_and_the_operators_reason_stays_theirs(
    here: InMemoryDeployment,
) -> None:
    here.control.pause_spending("a s3cret drill")
    document = QuoteResource.of(here.quote(WISH)).model_dump_json()
    assert json.loads(document)["reason"] == "spending is paused: it would wait until an operator resumes it"
    assert "s3cret" not in document


def test_a_quote_writes_nothing(here: InMemoryDeployment) -> None:
    limit(here, shop="0.01")
    here.quote(WISH, caller=SHOP)
    assert not list(here.ledger.every())
    assert not len(here.bus)
