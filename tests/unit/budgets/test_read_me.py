"""`GET /v1/me`: the caller's own limits and what is left of them, and of nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from heliograph.access.keys import ApiKey, Caller, Scope, read_key_request
from heliograph.api.representations.me import MeResource
from heliograph.budgets.read_me import MeReader
from heliograph.kernel.errors import BudgetExceeded, KeyRevoked
from heliograph.kernel.tenants import Limits, Period, Tenant, Tenants
from heliograph.providers.protocol import Uncertain

from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.keys import InMemoryKeyStore

KEY = "hg_" + "a" * 43
OPERATOR = Caller(tenant="default", scopes=frozenset({Scope.ADMIN}))


class Desk:
    """A deployment with a key of the tenant `shop`, which has a daily and a monthly budget."""

    def __init__(self) -> None:
        self.here = InMemoryDeployment()
        self.keys = InMemoryKeyStore()
        self.here.ledger.tenants = Tenants(
            named={
                "shop": Tenant(daily_budget_usd="1", monthly_budget_usd="20"),
                "other": Tenant(daily_budget_usd="7"),
            },
            together=Limits(daily_budget_usd="50"),
        )
        self.record = self.add(KEY, daily_budget_usd="0.50", requests_per_minute=30)

    def add(self, key: str, **asked: object) -> ApiKey:
        record = ApiKey.of(
            key, read_key_request({"name": "web shop", "tenant": "shop", **asked}), self.here.clock.now()
        )
        self.keys.save(record)
        return record

    def me(self, caller: Caller) -> MeResource:
        reader = MeReader(
            tenants=self.here.ledger.tenants,
            ledger=self.here.ledger,
            states=self.here.control.states,
            keys=self.keys,
            clock=self.here.clock,
        )
        return MeResource.of(reader.me(caller))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def left(told: MeResource) -> dict[tuple[str, str], tuple[str, str, str, str, str]]:
    return {
        (budget.account, budget.period): (
            budget.limit_usd,
            budget.spent_usd,
            budget.unknown_usd,
            budget.reserved_usd,
            budget.left_usd,
        )
        for budget in told.budgets
    }


def test_a_key_learns_who_it_is_and_its_limits(desk: Desk) -> None:
    told = desk.me(desk.record.caller())
    assert (told.key_id, told.name, told.tenant) == (desk.record.key_id, "web shop", "shop")
    assert told.scopes == (Scope.JOBS_READ, Scope.JOBS_WRITE)
    assert told.requests_per_minute == 30
    assert left(told) == {
        ("tenant", "day"): ("1.00", "0.00", "0.00", "0.00", "1.00"),
        ("tenant", "month"): ("20.00", "0.00", "0.00", "0.00", "20.00"),
        ("key", "day"): ("0.50", "0.00", "0.00", "0.00", "0.50"),
    }


def test_what_is_left_is_the_limit_without_what_is_spent_unknown_or_reserved(desk: Desk) -> None:
    caller, here = desk.record.caller(), desk.here
    here.run(here.post({"prompt": "spent"}, caller=caller, key="1").job.job_id)
    here.provider.will_answer_create(Uncertain("cut"))
    here.run(here.post({"prompt": "lost", "on_uncertain": "fail"}, caller=caller, key="2").job.job_id)
    here.post({"prompt": "reserved"}, caller=caller, key="3")
    assert left(desk.me(caller)) == {
        ("tenant", "day"): ("1.00", "0.06", "0.06", "0.06", "0.82"),
        ("tenant", "month"): ("20.00", "0.06", "0.06", "0.06", "19.82"),
        ("key", "day"): ("0.50", "0.06", "0.06", "0.06", "0.32"),
    }


def test_a_job_is_taken_exactly_while_it_fits_into_what_is_left(desk: Desk) -> None:
    caller = desk.add("hg_" + "b" * 43, daily_budget_usd="0.15").caller()
    taken = 0
    while float(left(desk.me(caller))["key", "day"][-1]) >= 0.06:
        desk.here.post({"prompt": "x"}, caller=caller, key=f"{taken}")
        taken += 1
    assert taken == 2
    with pytest.raises(BudgetExceeded):
        desk.here.post({"prompt": "x"}, caller=caller, key="more")


def test_what_others_spend_and_the_budget_of_all_is_told_to_operators_only(desk: Desk) -> None:
    desk.here.post({"prompt": "x"}, tenant="other")
    admin = desk.add("hg_" + "c" * 43, scopes=["admin"]).caller()
    assert set(left(desk.me(admin))) == {("tenant", "day"), ("tenant", "month")}
    assert left(desk.me(admin))["tenant", "day"] == ("1.00", "0.00", "0.00", "0.00", "1.00")
    reader = desk.add("hg_" + "d" * 43, tenant="default").caller()
    assert left(desk.me(reader)) == {}
    assert left(desk.me(OPERATOR)) == {("deployment", "day"): ("50.00", "0.00", "0.00", "0.06", "49.94")}


def test_a_limit_that_was_lowered_below_what_is_spent_leaves_nothing(desk: Desk) -> None:
    caller = desk.record.caller()
    desk.here.post({"prompt": "x"}, caller=caller)
    lowered = caller.model_copy(update={"daily_budget_microusd": 10_000})
    assert left(desk.me(lowered))["key", "day"] == ("0.01", "0.00", "0.00", "0.06", "0.00")


def test_the_deployments_own_key_has_no_name_and_no_budget_of_its_own(desk: Desk) -> None:
    told = desk.me(OPERATOR)
    assert (told.key_id, told.name, told.requests_per_minute) == (None, None, None)
    assert {budget.account for budget in told.budgets} == {"deployment"}


@pytest.mark.parametrize("scope", list(Scope))
def test_any_scope_will_do(desk: Desk, scope: Scope) -> None:
    assert desk.me(desk.add("hg_" + "e" * 43, scopes=[scope]).caller()).scopes == (scope,)


def test_a_revoked_key_is_told_nothing_even_while_the_gateway_still_knows_it(desk: Desk) -> None:
    desk.keys.save(desk.record.model_copy(update={"revoked_at": desk.here.clock.now()}))
    with pytest.raises(KeyRevoked):
        desk.me(desk.record.caller())


def test_a_spending_pause_is_told_without_its_reason(desk: Desk) -> None:
    assert desk.me(desk.record.caller()).spending_paused is False
    desk.here.control.pause_spending("a s3cret drill")
    told = desk.me(desk.record.caller())
    assert told.spending_paused is True
    assert "s3cret" not in told.model_dump_json()


@pytest.mark.parametrize(
    ("period", "at", "renews_at"),
    [
        (Period.DAY, "2026-11-22T00:00:00", "2026-11-23"),
        (Period.DAY, "2026-12-31T23:59:59.999999", "2027-01-01"),
        (Period.DAY, "2028-02-28T12:00:00", "2028-02-29"),
        (Period.MONTH, "2026-11-30T23:59:59", "2026-12-01"),
        (Period.MONTH, "2026-12-31T12:00:00", "2027-01-01"),
        (Period.MONTH, "2027-01-31T12:00:00", "2027-02-01"),
        (Period.MONTH, "2027-02-01T00:00:00", "2027-03-01"),
    ],
)
def test_a_budget_renews_when_the_next_utc_period_begins(period: Period, at: str, renews_at: str) -> None:
    found = period.renews_at(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(renews_at).replace(tzinfo=UTC)
    assert period.of(found) != period.of(datetime.fromisoformat(at))
