"""What `make routes`, `make ledger` and `make keys` print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.access.keys import ApiKey, Scope
from heliograph.budgets.ledger import Booking, BudgetAccount, Usage, UsageLine
from heliograph.jobs.audit_ledger import Comparison, UsageComparison
from heliograph.routes.circuit_breaker import FIRST_COOLDOWN, IN_A_ROW, Breaker
from heliograph.routes.state import SpendingPause

from operations.key_report import key_report
from operations.ledger_report import Checked, ledger_report
from operations.printing import print_lines
from operations.route_report import route_report, route_state
from tests.fakes.deployment import BETA, ROUTES, SECOND, InMemoryDeployment

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KEY_ID = f"key_{'a' * 26}"
DAY = "2026-11-28"


def suspended() -> Breaker:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker = breaker.after_failure("the provider said 503", NOW, began_at=NOW)
    return breaker


@pytest.mark.parametrize(
    ("breaker", "after", "state"),
    [
        (Breaker(), 0, "in service"),
        (suspended(), 1, "suspended (probe at 12:00:30 UTC)"),
        (suspended(), 30, "suspended (the next job is the probe)"),
        (suspended().with_probe(NOW + FIRST_COOLDOWN), 31, "suspended (a probe is running)"),
        (Breaker().disabled("a drill", NOW), 60, "disabled by an operator since 2026-11-28 12:00:00 UTC: a drill"),
    ],
)
def test_a_routes_state_is_told_in_everybodys_words(breaker: Breaker, after: int, state: str) -> None:
    assert route_state(breaker, NOW + timedelta(seconds=after)) == state


def routes_told(here: InMemoryDeployment) -> list[str]:
    running = dict.fromkeys((route.name for route in ROUTES), 3)
    snapshot = here.states.snapshot(ROUTES)
    return list(route_report(ROUTES, snapshot, running, weights=here.control.weights, now=here.clock.now()))


def test_every_route_is_told_with_what_runs_on_it(here: InMemoryDeployment) -> None:
    here.control.disable(ROUTES.default, "a drill")

    first, second = routes_told(here)

    assert first.startswith(f"{BETA}  disabled by an operator since")
    assert first.split("  ")[1].endswith(": a drill")
    assert second.startswith(f"{SECOND} ")
    assert "in service" in second
    assert "3 of 100 tasks running" in second
    assert first.index("3 of") == second.index("3 of")


def test_a_suspended_route_says_why(here: InMemoryDeployment) -> None:
    state = here.states.snapshot(ROUTES).routes[BETA]
    assert here.states.save(state, state.with_breaker(suspended()))

    assert "  failing since 2026-11-28 12:00:00 UTC: the provider said 503" in routes_told(here)


def test_a_spending_pause_comes_first_with_its_reason(here: InMemoryDeployment) -> None:
    pause = here.control.pause_spending("the bill looks odd")

    first = routes_told(here)[0]

    assert isinstance(pause, SpendingPause)
    assert first.startswith("SPENDING IS PAUSED since")
    assert "the bill looks odd" in first


def summed(account: str = "shop", *, by: int = 60_000) -> Comparison:
    return Comparison(BudgetAccount(account, DAY), Booking(spent=60_000), Booking(spent=by))


def used(*, by: int = 1) -> UsageComparison:
    return UsageComparison(UsageLine(DAY, "shop", BETA, Usage(1, 60_000, 0)), Usage(by, 60_000, 0))


def ledger_told(checked: Checked, *, everything: bool = False) -> list[str]:
    return list(ledger_report(checked, everything=everything))


def test_a_ledger_that_agrees_is_one_line() -> None:
    checked = Checked(jobs=12, sums=[summed(), summed("*")], usage=[used()], running={BETA: (2, 2)})

    assert checked.agrees
    assert ledger_told(checked) == [
        "12 jobs, 2 accounts, 1 line of usage and the running tasks of 1 route were checked: "
        "the ledger agrees to the micro-dollar."
    ]


@pytest.mark.parametrize(
    ("checked", "differs"),
    [
        (Checked(jobs=1, sums=[summed("*"), summed(by=60_001)], usage=[used()], running={BETA: (0, 0)}), "0.060001"),
        (Checked(jobs=1, sums=[summed()], usage=[used(by=2)], running={BETA: (0, 0)}), "DIFFERS: 2 images"),
        (Checked(jobs=1, sums=[summed()], usage=[used()], running={BETA: (1, 0), SECOND: (1, 1)}), "0 by the jobs"),
    ],
    ids=["a sum", "the usage", "the running tasks"],
)
def test_only_what_differs_is_told_unless_all_is_asked_for(checked: Checked, differs: str) -> None:
    told = ledger_told(checked)

    assert not checked.agrees
    assert told[-1].endswith("the ledger DIFFERS from the jobs.")
    assert any(differs in line for line in told)
    assert not any("agrees" in line for line in told)
    assert any("agrees" in line for line in ledger_told(checked, everything=True))


def test_a_keys_sum_is_told_with_the_keys_name_and_columns_end_together() -> None:
    sums = [summed(KEY_ID, by=0), summed("shop", by=1_000_000_000)]
    checked = Checked(jobs=1, sums=sums, usage=[], running={}, names={KEY_ID: "web shop"})

    head, first, *rows, _ = ledger_told(checked)

    assert first.startswith(f"{KEY_ID} (web shop)  {DAY}  ledger")
    # The last column, amounts of what nobody can tell, ends at the same place in every row.
    assert len({len(line.partition("  DIFFERS")[0]) for line in (first, *rows)}) == 1
    assert head.split() == ["account", "period", "by", "reserved", "spent", "unknown"]


def test_keys_are_listed_oldest_first_without_the_key() -> None:
    def key(name: str, at: datetime, **more: object) -> ApiKey:
        made = ApiKey(key_id=KEY_ID, digest="d" * 64, name=name, tenant="shop", scopes={Scope.JOBS_READ}, created_at=at)
        return made.model_copy(update=more)

    young = key("young", NOW, daily_budget_usd="25", last_used_at=NOW)
    old = key("old", NOW - timedelta(days=1), revoked_at=NOW)

    head, first, second = key_report([young, old], NOW)

    assert head.split() == ["id", "name", "tenant", "scopes", "a", "day", "state", "last", "used", "made", "by"]
    assert first.split("  ")[1:2] == ["old"]
    assert "revoked 2026-11-28" in first
    assert "25 USD" in second
    assert "2026-11-28 12:00 UTC" in second
    assert "d" * 64 not in first + second


def test_a_key_is_listed_with_when_it_expires_or_has() -> None:
    made = ApiKey(key_id=KEY_ID, digest="d" * 64, name="a", tenant="shop", scopes={Scope.JOBS_READ}, created_at=NOW)
    soon, over = NOW + timedelta(seconds=1), NOW
    keys = [made.model_copy(update={"expires_at": at}) for at in (soon, over)]
    revoked = keys[1].model_copy(update={"revoked_at": NOW})

    _, *rows = key_report([*keys, revoked], NOW)

    assert "  valid until 2026-11-28 12:00 UTC  " in rows[0]
    assert "  expired 2026-11-28 12:00 UTC  " in rows[1]
    assert "  revoked 2026-11-28  " in rows[2]


def test_no_keys_are_told_too() -> None:
    assert list(key_report([], NOW)) == [
        "There are no API keys except the deployment's own. `make new-key NAME=…` creates one."
    ]


def test_what_tenants_and_providers_wrote_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["a\x1b[2Jb\x9b31mc\u202ed\u2066e\r\nf", "名前 é"])

    first, second = capsys.readouterr().out.splitlines()
    assert first == "a [2Jb 31mc d e  f"
    assert second == "名前 é"
