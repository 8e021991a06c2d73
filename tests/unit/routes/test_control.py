"""What all functions know of a route: its circuit and its pace follow its calls, and the bus hears of each switch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from heliograph.kernel.errors import PublishFailed, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.retry_on_conflict import TRIES
from heliograph.routes.circuit_breaker import IN_A_ROW, Circuit
from heliograph.routes.control import (
    announce_switches,
    close_circuit,
    halt,
    hold_open,
    may_probe,
    record_acceptance,
    record_failure,
    record_saturation,
    record_success,
    resume,
)
from heliograph.routes.state import RouteState, SpendingPause
from heliograph.webhooks.event_catalogue import RouteClosed, RouteOpened, event_type

from tests.fakes.deployment import BETA, ROUTES, InMemoryDeployment
from tests.fakes.script import Afterwards

ROUTE = ROUTES.default
OTHER = tuple(ROUTES)[1]
COOLDOWN_SECONDS = 30


def failure(code: FailureCode) -> Failure:
    return Failure(code=code, message="503", retryable=False, charged=Charged.NO)


DOWN = failure(FailureCode.ROUTE_UNAVAILABLE)
BUSY = failure(FailureCode.RATE_LIMITED)


def state(here: InMemoryDeployment) -> RouteState:
    return here.states.look([ROUTE]).routes[ROUTE.name]


def circuit(here: InMemoryDeployment) -> Circuit:
    return state(here).breaker.circuit(here.clock.now())


def fails(here: InMemoryDeployment, times: int = IN_A_ROW) -> None:
    for _ in range(times):
        record_failure(ROUTE, DOWN, here.clock.now(), control=here.control)


def told(here: InMemoryDeployment) -> list[str]:
    return [event_type(event) for event in here.bus]


# --- the circuit


def test_a_route_that_keeps_failing_is_opened_and_the_bus_hears_of_it_once(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW + 5)

    assert circuit(here) is Circuit.OPEN
    (event,) = here.bus
    assert isinstance(event, RouteOpened)
    assert (event.data.route, event.data.provider, event.data.model) == (BETA, "apimodels", BETA)
    assert (event.data.cause, event.data.opened_at) == ("503", here.clock.now())
    assert event.data.probed_from == here.clock.now() + timedelta(seconds=COOLDOWN_SECONDS)
    assert not state(here).breaker.untold
    assert announce_switches(ROUTES, control=here.control) == []


def test_a_route_that_takes_calls_again_is_closed_and_the_bus_hears_of_it_once(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)

    record_success(ROUTE, here.clock.now(), control=here.control)
    record_success(ROUTE, here.clock.now(), control=here.control)

    assert circuit(here) is Circuit.CLOSED
    assert told(here) == ["image.route.opened", "image.route.closed"]
    closed = list(here.bus)[1]
    assert isinstance(closed, RouteClosed)
    assert closed.data.closed_at == here.clock.now()
    assert announce_switches(ROUTES, control=here.control) == []


def test_each_opening_is_an_event_of_its_own(here: InMemoryDeployment) -> None:
    for _ in range(2):
        fails(here)
        here.clock.step(COOLDOWN_SECONDS)
        record_success(ROUTE, here.clock.now(), control=here.control)
        here.clock.step(1)

    assert len({event.event_id for event in here.bus}) == 4


def test_a_route_that_fails_its_probe_is_no_news(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)

    fails(here, 1)

    assert circuit(here) is Circuit.OPEN
    assert told(here) == ["image.route.opened"]


def test_one_route_says_nothing_about_another(here: InMemoryDeployment) -> None:
    fails(here)

    assert here.states.look(ROUTES).routes[OTHER.name].breaker.circuit(here.clock.now()) is Circuit.CLOSED


@pytest.mark.parametrize("code", [FailureCode.INVALID_INPUT, FailureCode.CONTENT_BLOCKED, FailureCode.PROVIDER_FAILED])
def test_what_is_wrong_with_a_request_says_nothing_about_the_route(here: InMemoryDeployment, code: FailureCode) -> None:
    for _ in range(30):
        record_failure(ROUTE, failure(code), here.clock.now(), control=here.control)

    assert circuit(here) is Circuit.CLOSED
    assert here.states.writes == 0


LATE_SECONDS = 10 * ROUTE.usual_seconds


@pytest.mark.parametrize(
    ("ran", "expected"),
    [(60, Circuit.CLOSED), (LATE_SECONDS - 1, Circuit.CLOSED), (LATE_SECONDS, Circuit.OPEN), (86_400, Circuit.OPEN)],
)
def test_a_task_given_up_at_its_jobs_deadline_counts_only_if_it_was_late_for_the_route_too(
    here: InMemoryDeployment, ran: int, expected: Circuit
) -> None:
    began_at = here.clock.now() - timedelta(seconds=ran)
    for number in range(IN_A_ROW):
        timed_out = failure(FailureCode.PROVIDER_TIMEOUT)
        record_failure(ROUTE, timed_out, began_at, control=here.control, tenant=f"tenant-{number}")

    assert circuit(here) is expected


def test_what_one_tenants_calls_bring_leaves_the_route_to_the_others(here: InMemoryDeployment) -> None:
    for _ in range(50):
        record_failure(ROUTE, DOWN, here.clock.now(), control=here.control, tenant="careless")

    breaker, now = state(here).breaker, here.clock.now()
    assert (breaker.circuit(now, "careless"), breaker.circuit(now, "other")) == (Circuit.OPEN, Circuit.CLOSED)
    assert may_probe(ROUTE, now=now, states=here.states, tenant="other")
    assert not may_probe(ROUTE, now=now, states=here.states, tenant="careless")
    record_success(ROUTE, now, control=here.control, tenant="other")
    assert state(here).breaker.circuit(now, "careless") is Circuit.OPEN


# --- told and untold


def test_a_switch_that_could_not_be_told_is_told_by_the_sweep(here: InMemoryDeployment) -> None:
    here.bus.on("publish", *[PublishFailed("throttled")] * 2)
    fails(here)
    assert (told(here), state(here).breaker.untold) == ([], True)
    assert here.sweep() == []

    assert here.sweep() == [f"announced route {BETA}: open"]
    assert here.sweep() == []

    assert told(here) == ["image.route.opened"]


def test_a_switch_that_could_not_be_told_is_told_with_the_next_report(here: InMemoryDeployment) -> None:
    hold_open(ROUTE, "a drill", control=here.control)
    here.bus.on("publish", PublishFailed("throttled"))
    close_circuit(ROUTE, control=here.control)

    record_success(ROUTE, here.clock.now(), control=here.control)

    assert told(here) == ["image.route.opened", "image.route.closed"]


def test_that_a_switch_was_told_may_be_forgotten_and_then_the_same_event_comes_again(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW - 1)
    here.states.on("save", None, StorageFailed("throttled"))
    fails(here, 1)
    assert state(here).breaker.untold

    here.sweep()

    first, again = here.bus
    assert first == again
    assert not state(here).breaker.untold


def test_an_event_that_comes_again_after_a_failed_probe_is_the_same_event(here: InMemoryDeployment) -> None:
    # The bus took it, but its answer was lost; meanwhile the probe failed.
    fails(here, IN_A_ROW - 1)
    here.bus.on("publish", Afterwards(PublishFailed("timed out")))
    fails(here, 1)
    here.clock.step(COOLDOWN_SECONDS)
    record_failure(ROUTE, failure(FailureCode.SUBMISSION_UNCERTAIN), here.clock.now(), control=here.control)

    first, again = here.bus

    assert first.event_id == again.event_id
    assert first == again


def test_what_could_not_be_told_before_it_changed_again_is_told_as_it_is_now(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)
    record_success(ROUTE, here.clock.now(), control=here.control)

    assert told(here) == ["image.route.closed"]
    assert here.sweep() == []


def test_a_sweep_that_can_not_look_at_the_routes_still_looks_after_the_jobs(here: InMemoryDeployment) -> None:
    job = here.post().job
    here.clock.go_to(job.deadline_at)
    here.states.on("look", StorageFailed("throttled"))

    assert here.sweep() == ["left the routes: throttled", f"closed {job.job_id}: over"]


# --- reports are worth nothing against the call itself

REPORTS: dict[str, Callable[[InMemoryDeployment], None]] = {
    "went well": lambda here: record_success(ROUTE, here.clock.now(), control=here.control),
    "went wrong": lambda here: record_failure(ROUTE, DOWN, here.clock.now(), control=here.control),
    "was busy": lambda here: record_failure(ROUTE, BUSY, here.clock.now(), control=here.control, wait_seconds=5),
    "was full": lambda here: record_saturation(ROUTE, control=here.control),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
@pytest.mark.parametrize("method", ["look", "save"])
def test_a_report_that_can_not_be_written_is_no_obstacle(
    here: InMemoryDeployment, method: str, report: Callable[[InMemoryDeployment], None]
) -> None:
    fails(here, IN_A_ROW - 1)
    here.states.on(method, *[StorageFailed("throttled")] * 9)

    report(here)

    assert told(here) == []


def test_a_report_that_somebody_was_faster_than_is_made_again(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW - 2)
    here.states.on("save", lambda: fails(here, 1))

    fails(here, 1)

    assert circuit(here) is Circuit.OPEN
    assert told(here) == ["image.route.opened"]


def test_a_report_that_always_loses_is_left(here: InMemoryDeployment) -> None:
    def meanwhile() -> None:
        here.clock.step(60)
        record_success(ROUTE, here.clock.now(), control=here.control)

    here.states.on("save", meanwhile, None, meanwhile, None, meanwhile, None)

    fails(here, 1)

    assert [sample.went_well for sample in state(here).breaker.samples] == [True] * 3


def test_a_report_does_not_take_places_from_those_who_joined_meanwhile(here: InMemoryDeployment) -> None:
    jobs = [here.post(call=f"call-{number}").job.job_id for number in range(3)]
    here.dispatch(jobs[0])
    here.states.on("save", lambda: here.dispatch(jobs[1]))

    record_failure(ROUTE, DOWN, here.clock.now(), control=here.control)
    here.dispatch(jobs[2])

    assert state(here).pace.lanes == {"default": 3_000_000}


# --- the pace


def test_a_refusal_for_too_many_calls_slows_the_route_and_leaves_its_circuit_alone(here: InMemoryDeployment) -> None:
    for _ in range(10):
        record_failure(ROUTE, BUSY, here.clock.now(), control=here.control, wait_seconds=77)

    assert state(here).pace.creates_per_minute == ROUTE.creates_per_minute / 2
    assert circuit(here) is Circuit.CLOSED
    waiting = state(here).pace.with_slot("default", here.clock.now(), lambda _: 1)
    moment = waiting.moment("default", waiting.lanes["default"], lambda _: 1)
    assert moment >= here.clock.now() + timedelta(seconds=77)


def test_a_failure_of_the_route_leaves_its_pace_alone(here: InMemoryDeployment) -> None:
    fails(here, 1)

    assert state(here).pace.creates_per_minute == ROUTE.creates_per_minute


def test_a_full_route_is_called_a_little_less_often(here: InMemoryDeployment) -> None:
    record_saturation(ROUTE, control=here.control)

    assert state(here).pace.creates_per_minute == pytest.approx(ROUTE.creates_per_minute * 7 / 8, rel=0.001)


def test_calls_that_are_taken_quicken_the_route_once_it_is_quiet(here: InMemoryDeployment) -> None:
    record_failure(ROUTE, BUSY, here.clock.now(), control=here.control)
    slow = state(here)
    crowd = slow.paced(slow.pace.model_copy(update={"lanes": {"default": 10**12}}))
    assert here.states.save(slow, crowd)
    rates = []
    for seconds in (59, 1, 1, 9):
        here.clock.step(seconds)
        record_acceptance(ROUTE, control=here.control)
        rates.append(round(state(here).pace.creates_per_minute))

    assert rates == [60, 62, 62, 64]


# --- probes


def test_a_closed_route_needs_no_probe(here: InMemoryDeployment) -> None:
    assert may_probe(ROUTE, now=here.clock.now(), states=here.states)
    assert here.states.writes == 0


def test_of_all_who_ask_one_may_probe(here: InMemoryDeployment) -> None:
    fails(here)
    assert not may_probe(ROUTE, now=here.clock.now(), states=here.states)
    here.clock.step(COOLDOWN_SECONDS)

    assert [may_probe(ROUTE, now=here.clock.now(), states=here.states) for _ in range(3)] == [True, False, False]


def test_of_two_who_ask_at_once_one_may_probe(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)
    inner: list[bool] = []
    here.states.on("save", lambda: inner.append(may_probe(ROUTE, now=here.clock.now(), states=here.states)))

    outer = may_probe(ROUTE, now=here.clock.now(), states=here.states)

    assert (inner, outer) == ([True], False)


# --- by hand


def test_a_person_holds_a_route_open_until_a_person_closes_it(here: InMemoryDeployment) -> None:
    hold_open(ROUTE, "a drill", control=here.control)
    here.clock.step(86_400)
    record_success(ROUTE, here.clock.now(), control=here.control)
    fails(here)
    assert circuit(here) is Circuit.OPEN

    close_circuit(ROUTE, control=here.control)

    assert circuit(here) is Circuit.CLOSED
    assert told(here) == ["image.route.opened", "image.route.closed"]
    opened = next(iter(here.bus))
    assert isinstance(opened, RouteOpened)
    assert (opened.data.cause, opened.data.probed_from) == ("an operator disabled the route", None)


def test_closing_what_is_closed_is_no_news(here: InMemoryDeployment) -> None:
    close_circuit(ROUTE, control=here.control)

    assert (told(here), here.states.writes) == ([], 0)


def test_a_person_may_close_what_opened_by_itself(here: InMemoryDeployment) -> None:
    fails(here)

    close_circuit(ROUTE, control=here.control)

    assert circuit(here) is Circuit.CLOSED


def test_a_person_is_told_if_it_could_not_be_done(here: InMemoryDeployment) -> None:
    here.states.on("save", StorageFailed("throttled"))
    with pytest.raises(StorageFailed):
        hold_open(ROUTE, "a drill", control=here.control)

    def meanwhile() -> None:
        here.clock.step(60)
        record_success(ROUTE, here.clock.now(), control=here.control)

    here.states.on("save", *[meanwhile, None] * TRIES)
    with pytest.raises(StorageFailed, match="changes too often"):
        hold_open(ROUTE, "a drill", control=here.control)

    assert circuit(here) is Circuit.CLOSED


def test_a_hold_that_could_not_be_told_holds_all_the_same(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))

    hold_open(ROUTE, "a drill", control=here.control)

    assert circuit(here) is Circuit.OPEN
    assert here.sweep() == [f"announced route {BETA}: open"]


def test_the_switch_is_pulled_and_released(here: InMemoryDeployment) -> None:
    pulled = halt("the bill looks odd", control=here.control)

    assert pulled == SpendingPause(since=here.clock.now(), reason="the bill looks odd")
    assert here.states.look([]).halt == pulled
    resume(control=here.control)
    assert here.states.look([]).halt is None


@pytest.mark.parametrize(
    "switch",
    [lambda here: halt("", control=here.control), lambda here: resume(control=here.control)],
    ids=["halt", "resume"],
)
def test_a_switch_that_could_not_be_reached_says_so(
    here: InMemoryDeployment, switch: Callable[[InMemoryDeployment], object]
) -> None:
    here.states.on("halt", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        switch(here)
