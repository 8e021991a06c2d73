"""Who pays and how much at most: configuration that either works or says what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from heliograph.kernel.tenants import EVERYBODY, Period, Tenants
from heliograph.kernel.validation import faults_of
from pydantic import ValidationError

CONFIGURED = Tenants.model_validate(
    {
        "named": {"shop": {"daily_budget_usd": "1.50", "weight": 3}, "blog": {"monthly_budget_usd": "20"}},
        "together": {"daily_budget_usd": "2", "monthly_budget_usd": "30.000001"},
    }
)


def faulty(given: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        Tenants.model_validate(given)
    return {fault.pointer: fault.detail for fault in faults_of(refused.value)}


@pytest.mark.parametrize(
    ("account", "period", "limit"),
    [
        ("shop", Period.DAY, 1_500_000),
        ("shop", Period.MONTH, None),
        ("blog", Period.DAY, None),
        ("blog", Period.MONTH, 20_000_000),
        ("nobody", Period.DAY, None),
        ("nobody", Period.MONTH, None),
        (EVERYBODY, Period.DAY, 2_000_000),
        (EVERYBODY, Period.MONTH, 30_000_001),
    ],
)
def test_a_limit_is_that_of_the_account_and_the_period(account: str, period: Period, limit: int | None) -> None:
    assert CONFIGURED.limit(account, period) == limit


def test_where_nothing_is_configured_nothing_is_limited_and_all_weigh_the_same() -> None:
    nothing = Tenants()

    assert [nothing.limit(account, period) for account in ("a", EVERYBODY) for period in Period] == [None] * 4
    assert nothing.weight("a") == nothing.weight("b") == 1


def test_a_weight_is_that_of_the_tenant() -> None:
    assert [CONFIGURED.weight(name) for name in ("shop", "blog", "nobody")] == [3, 1, 1]


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC), "2026-11-30", "2026-11"),
        (datetime(2026, 12, 1, tzinfo=UTC), "2026-12-01", "2026-12"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01", "2027-01"),
    ],
)
def test_a_day_and_a_month_end_at_midnight_utc(at: datetime, day: str, month: str) -> None:
    assert (Period.DAY.of(at), Period.MONTH.of(at)) == (day, month)


@pytest.mark.parametrize("budget", ["0", "0.00", "-1", "1e3", "$5", "", "1,5", "0.0000001"])
@pytest.mark.parametrize("field", ["daily_budget_usd", "monthly_budget_usd"])
def test_a_budget_is_a_plain_amount_above_nothing(field: str, budget: str) -> None:
    assert faulty({"together": {field: budget}}).keys() == {f"/together/{field}"}
    assert faulty({"named": {"shop": {field: budget}}}).keys() == {f"/named/shop/{field}"}


def test_a_budget_is_text_because_a_number_would_be_a_float() -> None:
    assert faulty({"together": {"daily_budget_usd": 1.5}}).keys() == {"/together/daily_budget_usd"}


@pytest.mark.parametrize("weight", [0, -1, 1001, 1.5, "many", None])
def test_a_weight_is_between_one_and_a_thousand(weight: object) -> None:
    assert faulty({"named": {"shop": {"weight": weight}}}).keys() == {"/named/shop/weight"}


@pytest.mark.parametrize("name", ["*", "", "Shop", "a b", "-a", "a/b", "a" * 65, "ä", "a_b", "key_a"])
def test_a_name_is_short_and_plain_and_never_that_of_everybody(name: str) -> None:
    assert faulty({"named": {name: {}}})


@pytest.mark.parametrize(
    "given", [{"named": {"shop": {"budget": "1"}}}, {"together": {"weight": 2}}, {"tenants": {}}, [], None]
)
def test_what_is_misspelt_is_refused_rather_than_no_limit(given: object) -> None:
    assert faulty(given)
