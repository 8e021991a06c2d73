"""The published contract: one event for each end of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.execution.outcomes import Failed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import EVERYBODY
from heliograph.routes.circuit_breaker import IN_A_ROW, Breaker
from heliograph.routes.config import Route
from heliograph.webhooks.event_catalogue import (
    EVENT_TYPES,
    RouteClosed,
    RouteOpened,
    budget_exhausted,
    budget_warning,
    event_type,
    job_event,
    route_switched,
)

from tests.fakes.deployment import RESULTS, InMemoryDeployment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROUTE = Route(name="shop", provider="kie", model="gpt-image-2", price_usd="0.06", max_references=16)


def test_a_job_that_is_not_over_has_no_event(here: InMemoryDeployment) -> None:
    job = here.post().job

    with pytest.raises(ValueError, match="is not over"):
        job_event(job, results_bucket=RESULTS)


def test_an_event_survives_the_bus(here: InMemoryDeployment) -> None:
    here.run(here.job_id(prompt="灯台", metadata={"größe": "groß"}))

    (event,) = here.bus
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event


def test_an_event_says_what_the_owner_wants_to_know(here: InMemoryDeployment) -> None:
    job_id = here.job_id(references=["https://images.example.com/a.png"])
    failure = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)
    watch = here.watched(job_id)
    here.clock.step(30)
    here.finalize(Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id))

    (event,) = here.bus
    told = event.model_dump(mode="json")
    assert told["version"] == "1"
    assert told["data"]["failure"] == {
        "code": "content_blocked",
        "message": "blocked",
        "retryable": False,
        "charged": "no",
    }
    assert (told["data"]["task"], told["data"]["model"], told["data"]["attempts"]) == ("edit", watch.model, 1)
    assert told["data"]["timings"] == {"queued_seconds": 0.0, "processing_seconds": 30.0, "total_seconds": 30.0}


def test_an_event_never_carries_the_prompt(here: InMemoryDeployment) -> None:
    # A prompt may hold 20,000 characters and secrets; the bus takes 256 KB, and its readers are many.
    here.run(here.job_id(prompt="a secret wish"))

    assert "a secret wish" not in "".join(event.model_dump_json() for event in here.bus)


# --- budgets


@pytest.mark.parametrize(("account", "period"), [("shop", "2026-11-22"), (EVERYBODY, "2026-11")])
def test_a_budget_that_is_used_up_says_whose_until_when_and_what_it_went_for(account: str, period: str) -> None:
    event = budget_exhausted(
        BudgetAccount(account, period), Booking(60_000, 1_250_000, 1), limit_microusd=1_300_000, at=NOW
    )

    assert event_type(event) == "image.budget.exhausted"
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event
    assert event.model_dump(mode="json")["data"] == {
        "account": account,
        "period": period,
        "limit_usd": "1.30",
        "reserved_usd": "0.06",
        "spent_usd": "1.25",
        "unknown_usd": "0.000001",
    }


def test_a_budget_has_one_event_for_each_account_and_period_whenever_it_is_told() -> None:
    def event_id(account: str, period: str, at: datetime = NOW) -> str:
        return budget_exhausted(BudgetAccount(account, period), Booking(), limit_microusd=1, at=at).event_id

    assert event_id("shop", "2026-11") == event_id("shop", "2026-11", NOW + timedelta(hours=1))
    pages = [("shop", "2026-11"), ("shop", "2026-11-22"), ("shop", "2026-12"), ("blog", "2026-11"), ("*", "2026-11")]
    assert len({event_id(*page) for page in pages}) == 5


@pytest.mark.parametrize("threshold", [50, 80])
def test_a_warning_of_a_budget_says_how_much_of_it_is_reached(threshold: int) -> None:
    booked = Booking(60_000, 1_250_000, 1)
    event = budget_warning(
        BudgetAccount("shop", "2026-11"), booked, threshold=threshold, limit_microusd=1_500_000, at=NOW
    )

    assert event_type(event) == "image.budget.warning"
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event
    assert event.model_dump(mode="json")["data"] == {
        "account": "shop",
        "period": "2026-11",
        "limit_usd": "1.50",
        "reserved_usd": "0.06",
        "spent_usd": "1.25",
        "unknown_usd": "0.000001",
        "threshold_percent": threshold,
    }


def test_a_budget_has_one_warning_for_each_account_period_and_threshold_whatever_it_is_spent_on() -> None:
    def event_id(account: str, period: str, threshold: int, amount: int = 1) -> str:
        at = NOW + timedelta(seconds=amount)
        booked = Booking(amount, amount, amount)
        event = budget_warning(
            BudgetAccount(account, period), booked, threshold=threshold, limit_microusd=amount, at=at
        )
        return event.event_id

    assert event_id("shop", "2026-11", 50) == event_id("shop", "2026-11", 50, amount=2)
    of = [("shop", "2026-11", 50), ("shop", "2026-11", 80), ("shop", "2026-11-22", 50), ("*", "2026-11", 50)]
    used_up = budget_exhausted(BudgetAccount("shop", "2026-11"), Booking(), limit_microusd=1, at=NOW).event_id
    assert len({used_up, *(event_id(*each) for each in of)}) == 5


# --- routes


def broken(at: datetime = NOW) -> Breaker:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker = breaker.after_failure("503 from the edge", at, began_at=at)
    return breaker


def test_a_route_that_was_never_switched_has_no_event() -> None:
    assert route_switched(ROUTE, Breaker()) is None
    assert route_switched(ROUTE, Breaker().after_success(NOW, began_at=NOW)) is None


def test_a_route_that_opens_says_why_and_when_it_is_tried_again() -> None:
    event = route_switched(ROUTE, broken())

    assert isinstance(event, RouteOpened)
    assert (event_type(event), event.occurred_at) == ("image.route.opened", NOW)
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event
    assert event.model_dump(mode="json")["data"] == {
        "route": "shop",
        "provider": "kie",
        "model": "gpt-image-2",
        "opened_at": "2026-11-22T12:00:00Z",
        "cause": "503 from the edge",
        "probed_from": "2026-11-22T12:00:30Z",
    }


def test_a_disabled_route_is_tried_by_nobody_and_the_operators_words_are_not_published() -> None:
    event = route_switched(ROUTE, Breaker().disabled("the rival is suing us", NOW))

    assert isinstance(event, RouteOpened)
    assert (event.data.cause, event.data.probed_from) == ("an operator disabled the route", None)
    assert "suing" not in event.model_dump_json()


def test_a_route_that_closes_says_when() -> None:
    closed_at = NOW + timedelta(seconds=90)

    event = route_switched(ROUTE, broken().closed(closed_at))

    assert isinstance(event, RouteClosed)
    assert (event_type(event), event.occurred_at) == ("image.route.closed", closed_at)
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event
    assert event.data.model_dump() == {
        "route": "shop",
        "provider": "kie",
        "model": "gpt-image-2",
        "closed_at": closed_at,
    }


def test_each_switch_of_each_route_is_an_event_of_its_own_and_always_the_same_one() -> None:
    other = ROUTE.model_copy(update={"name": "other"})
    later = NOW + timedelta(seconds=1)
    switches = [(ROUTE, broken()), (other, broken()), (ROUTE, broken(later)), (ROUTE, broken().closed(NOW))]

    events = [route_switched(*switch) for switch in switches]

    assert len({event.event_id for event in events if event}) == 4
    assert events == [route_switched(*switch) for switch in switches]
