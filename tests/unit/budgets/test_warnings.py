"""Budgets that are nearly used up: warned of once for each period and threshold, by the sweep at the latest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.budgets.ledger import Balance, Booking, BudgetAccount, budgets
from heliograph.jobs.audit_ledger import check_ledger
from heliograph.kernel.errors import PublishFailed, StorageFailed, WorkflowFailed
from heliograph.kernel.tenants import EVERYBODY, Tenants
from heliograph.webhooks.event_catalogue import BudgetExhausted, BudgetWarning

from tests.fakes.deployment import SECOND, InMemoryDeployment

DAY, MONTH = "2026-11-22", "2026-11"
FIVE_MINUTES = 300
KEY_ID = "key_" + "b" * 26
Warned = tuple[str, str, int]


def limit(here: InMemoryDeployment, *, together: dict[str, str] | None = None, **named: dict[str, str]) -> None:
    """From now on, these are the limits."""
    here.ledger.tenants = Tenants.model_validate({"named": named, "together": together or {}})


def spend(here: InMemoryDeployment, jobs: int = 1, *, tenant: str = "shop") -> None:
    """So many jobs of five cents each are submitted, and wait."""
    for _ in range(jobs):
        number = len(here.jobs)
        here.post({"prompt": "x", "model": SECOND}, call=f"call-{number}", tenant=tenant)


def sweep(here: InMemoryDeployment) -> list[Warned]:
    """Five minutes later, the sweep comes; the warnings that it publishes."""
    before = len(warnings(here))
    here.clock.step(FIVE_MINUTES)
    here.sweep()
    return warnings(here)[before:]


def events(here: InMemoryDeployment) -> list[BudgetWarning]:
    return [event for event in here.bus if isinstance(event, BudgetWarning)]


def warnings(here: InMemoryDeployment) -> list[Warned]:
    return [(event.data.account, event.data.period, event.data.threshold_percent) for event in events(here)]


# --- when


@pytest.mark.parametrize(
    ("committed", "due"), [(0, ()), (49_999, ()), (50_000, (50,)), (79_999, (50,)), (80_000, (50, 80)), (99, ())]
)
def test_a_threshold_is_reached_to_the_micro_dollar(committed: int, due: tuple[int, ...]) -> None:
    assert Balance(Booking(spent=committed)).due(100_000) == due


def test_what_is_reserved_spent_or_may_have_been_charged_counts_alike() -> None:
    assert Balance(Booking(reserved=20_000, spent=20_000, unknown=10_000)).due(100_000) == (50,)


@pytest.mark.parametrize(("warned", "due"), [((), (50, 80)), ((50,), (80,)), ((80,), (50,)), ((50, 80), ())])
def test_a_warning_that_went_out_is_due_no_more(warned: tuple[int, ...], due: tuple[int, ...]) -> None:
    assert Balance(Booking(spent=80), frozenset(warned)).due(100) == due


def test_the_last_cent_of_an_odd_limit_is_not_lost() -> None:
    # Half of 3 micro-dollars are 1.5: two of them reach it, one does not.
    assert Balance(Booking(spent=1)).due(3) == ()
    assert Balance(Booking(spent=2)).due(3) == (50,)


# --- which budgets


def test_the_budgets_are_those_that_are_configured() -> None:
    tenants = Tenants.model_validate(
        {
            "named": {"shop": {"daily_budget_usd": "1", "monthly_budget_usd": "20"}, "blog": {"weight": 2}},
            "together": {"monthly_budget_usd": "30"},
        }
    )

    assert budgets(tenants, datetime(2026, 11, 22, 12, tzinfo=UTC)) == {
        BudgetAccount("shop", DAY): 1_000_000,
        BudgetAccount("shop", MONTH): 20_000_000,
        BudgetAccount(EVERYBODY, MONTH): 30_000_000,
    }


def test_shortly_after_midnight_the_day_before_is_still_among_them() -> None:
    tenants = Tenants.model_validate({"together": {"daily_budget_usd": "1", "monthly_budget_usd": "2"}})
    midnight = datetime(2026, 12, 1, tzinfo=UTC)

    late = budgets(tenants, midnight + timedelta(minutes=59))
    later = budgets(tenants, midnight + timedelta(hours=1))

    assert [page.period for page in late] == ["2026-11-30", "2026-12-01", "2026-11", "2026-12"]
    assert [page.period for page in later] == ["2026-12-01", "2026-12"]


# --- the sweep


def test_a_budget_is_warned_of_at_half_and_at_four_fifths_and_never_again(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.50"})
    told = []
    for _ in range(10):
        spend(here)
        told.append(sweep(here))

    half, most = [("shop", DAY, 50)], [("shop", DAY, 80)]
    assert told == [[], [], [], [], half, [], [], most, [], []]


@pytest.mark.parametrize(
    ("limits", "account", "period"),
    [
        ({"shop": {"daily_budget_usd": "0.10"}}, "shop", DAY),
        ({"shop": {"monthly_budget_usd": "0.10"}}, "shop", MONTH),
        ({"together": {"daily_budget_usd": "0.10"}}, EVERYBODY, DAY),
        ({"together": {"monthly_budget_usd": "0.10"}}, EVERYBODY, MONTH),
    ],
)
def test_every_kind_of_budget_is_warned_of(
    here: InMemoryDeployment, limits: dict[str, dict[str, str]], account: str, period: str
) -> None:
    limit(here, **limits)
    spend(here)

    assert sweep(here) == [(account, period, 50)]


def test_a_budget_that_is_filled_between_two_sweeps_has_both_warnings_the_lower_first(
    here: InMemoryDeployment,
) -> None:
    limit(here, shop={"daily_budget_usd": "0.05"})
    spend(here)

    assert sweep(here) == [("shop", DAY, 50), ("shop", DAY, 80)]
    assert not [event for event in here.bus if isinstance(event, BudgetExhausted)]


def test_a_warning_says_what_the_budget_went_for(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.15"})
    spend(here)
    [job] = here.jobs
    here.run(job.job_id)
    spend(here)
    sweep(here)

    [warned] = events(here)
    assert warned.data.model_dump() == {
        "account": "shop",
        "period": DAY,
        "limit_usd": "0.15",
        "reserved_usd": "0.05",
        "spent_usd": "0.05",
        "unknown_usd": "0.00",
        "threshold_percent": 50,
    }


def test_money_that_is_given_back_and_taken_again_is_warned_of_no_second_time(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)
    assert sweep(here) == [("shop", DAY, 50)]
    [job] = here.jobs
    here.cancel(job.job_id, tenant="shop")
    assert here.ledger.read(BudgetAccount("shop", DAY)) == Booking()
    assert sweep(here) == []

    spend(here)

    assert sweep(here) == []


def test_a_new_day_is_warned_of_anew_and_the_month_is_not(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10", "monthly_budget_usd": "0.10"})
    spend(here)
    assert sweep(here) == [("shop", DAY, 50), ("shop", MONTH, 50)]
    here.clock.step(86_400)
    # Canceled, or it would count for the month.
    here.cancel(next(iter(here.jobs)).job_id, tenant="shop")

    spend(here)

    assert sweep(here) == [("shop", "2026-11-23", 50)]


def test_what_is_committed_in_the_last_minute_of_a_day_is_warned_of_after_midnight(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    here.clock.go_to(datetime(2026, 11, 22, 23, 59, tzinfo=UTC))
    spend(here)

    assert sweep(here) == [("shop", DAY, 50)]


def test_the_thresholds_of_one_budget_are_not_anothers_affair(here: InMemoryDeployment) -> None:
    limit(here, together={"daily_budget_usd": "0.20"}, shop={"daily_budget_usd": "0.10"})
    spend(here)
    assert sweep(here) == [("shop", DAY, 50)]

    spend(here, tenant="blog")

    assert sweep(here) == [(EVERYBODY, DAY, 50)]


def test_without_a_limit_nothing_is_read_and_nobody_is_warned(here: InMemoryDeployment) -> None:
    here.ledger.on("balance", AssertionError("nobody has a limit"))
    spend(here)

    assert sweep(here) == []


def test_a_sweep_says_whom_it_warned_of(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)

    assert here.sweep() == [f"warned of the budget of shop for {DAY}: 50 %"]


# --- once, and at least once


def test_of_two_sweeps_at_once_one_warns(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)
    here.bus.on("publish", here.sweep)

    assert sweep(here) == [("shop", DAY, 50)]


def test_a_warning_that_could_not_be_published_comes_with_the_next_sweep(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)
    here.bus.on("publish", PublishFailed("throttled"))
    assert sweep(here) == []

    assert sweep(here) == [("shop", DAY, 50)]
    assert sweep(here) == []


def test_a_warning_that_may_not_have_been_noted_is_repeated_with_the_same_id(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)
    here.ledger.on("announced", StorageFailed("throttled"))
    sweep(here)
    sweep(here)
    sweep(here)

    first, again = events(here)
    assert first.event_id == again.event_id


@pytest.mark.parametrize("method", ["balance", "may_announce"])
def test_a_ledger_that_is_away_keeps_no_job_waiting(here: InMemoryDeployment, method: str) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    here.workflow.on("start", WorkflowFailed("throttled"))
    spend(here)
    [job] = here.jobs
    here.ledger.on(method, StorageFailed("throttled"))
    here.clock.step(FIVE_MINUTES)

    assert here.sweep() == ["left the budgets: throttled", f"started {job.job_id}"]
    assert sweep(here) == [("shop", DAY, 50)]


def test_a_ledger_that_is_away_is_asked_once(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"}, blog={"daily_budget_usd": "0.10"})
    here.ledger.on("balance", StorageFailed("throttled"), AssertionError("asked again"))

    assert here.sweep() == ["left the budgets: throttled"]


def test_a_warning_leaves_the_ledger_equal_to_the_jobs(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.10"})
    spend(here)
    before = dict(here.ledger.scan())
    sweep(here)

    compared = check_ledger(here.jobs, here.ledger.scan(), complete_since=datetime(2026, 1, 1, tzinfo=UTC))

    assert dict(here.ledger.scan()) == before
    assert [line for line in compared if not line.agrees] == []


# --- a key's own budget: known where it is used, and to no sweep


def call(here: InMemoryDeployment, daily_microusd: int | None = 100_000, *, number: int | None = None) -> str:
    """A job of five cents, by a key with that budget."""
    scopes = frozenset({Scope.JOBS_WRITE})
    caller = Caller(tenant="shop", scopes=scopes, key_id=KEY_ID, daily_budget_microusd=daily_microusd)
    name = f"call-{len(here.jobs) if number is None else number}"
    return here.post({"prompt": "x", "model": SECOND}, call=name, caller=caller).job.job_id


def test_a_keys_budget_is_warned_of_by_the_job_that_reaches_the_threshold(here: InMemoryDeployment) -> None:
    told = []
    for _ in range(4):
        call(here, 200_000)
        told.append(warnings(here))

    half, most = (KEY_ID, DAY, 50), (KEY_ID, DAY, 80)
    assert told == [[], [half], [half], [half, most]]


def test_a_key_without_a_budget_is_warned_of_by_nobody(here: InMemoryDeployment) -> None:
    here.ledger.on("balance", AssertionError("there is no limit"))
    call(here, None)

    assert warnings(here) == []


def test_a_repeated_call_reads_no_balance(here: InMemoryDeployment) -> None:
    first = call(here, number=17)
    here.ledger.on("balance", AssertionError("nothing was reserved"))

    assert call(here, number=17) == first


@pytest.mark.parametrize("method", ["balance", "may_announce", "announced"])
def test_a_ledger_that_is_away_hides_no_job_from_who_made_it(here: InMemoryDeployment, method: str) -> None:
    here.ledger.on(method, StorageFailed("throttled"))

    assert call(here, 100_000) in here.workflow.executions


def test_a_bus_that_is_away_hides_no_job_and_the_keys_next_one_warns(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))
    assert call(here, 100_000) in here.workflow.executions
    assert warnings(here) == []
    here.clock.step(61)
    call(here, 100_000)

    assert warnings(here) == [(KEY_ID, DAY, 50), (KEY_ID, DAY, 80)]


def test_a_retry_counts_for_its_keys_budget_too(here: InMemoryDeployment) -> None:
    job_id = call(here, None)
    here.close(job_id)
    caller = Caller(tenant="shop", scopes=frozenset(Scope), key_id=KEY_ID, daily_budget_microusd=100_000)

    here.retry(job_id, caller=caller)
    here.retry(job_id, caller=caller)

    assert warnings(here) == [(KEY_ID, DAY, 50)]
