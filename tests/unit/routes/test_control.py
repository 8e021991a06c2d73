"""Route control: results of calls change a route's circuit and rate, and each change is published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from heliograph.kernel.errors import PublishFailed, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.retry_on_conflict import TRIES
from heliograph.routes.circuit_breaker import IN_A_ROW, Circuit
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
    return here.states.snapshot([ROUTE]).routes[ROUTE.name]


def circuit(here: InMemoryDeployment) -> Circuit:
    return state(here).breaker.circuit(here.clock.now())


def fails(here: InMemoryDeployment, times: int = IN_A_ROW) -> None:
    for _ in range(times):
        here.control.record_failure(ROUTE, DOWN, here.clock.now())


def told(here: InMemoryDeployment) -> list[str]:
    return [event_type(event) for event in here.bus]


# --- the circuit


def test_the_circuit_of_a_failing_route_opens_and_one_event_is_published(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW + 5)

    assert circuit(here) is Circuit.OPEN
    (event,) = here.bus
    assert isinstance(event, RouteOpened)
    assert (event.data.route, event.data.provider, event.data.model) == (BETA, "apimodels", BETA)
    assert (event.data.cause, event.data.opened_at) == ("503", here.clock.now())
    assert event.data.probed_from == here.clock.now() + timedelta(seconds=COOLDOWN_SECONDS)
    assert not state(here).breaker.unpublished_change
    assert here.control.publish_changes(ROUTES) == []


def test_the_circuit_of_a_recovered_route_closes_and_one_event_is_published(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)

    here.control.record_success(ROUTE, here.clock.now())
    here.control.record_success(ROUTE, here.clock.now())

    assert circuit(here) is Circuit.CLOSED
    assert told(here) == ["image.route.opened", "image.route.closed"]
    closed = list(here.bus)[1]
    assert isinstance(closed, RouteClosed)
    assert closed.data.closed_at == here.clock.now()
    assert here.control.publish_changes(ROUTES) == []


def test_each_change_of_a_circuit_has_its_own_event(here: InMemoryDeployment) -> None:
    for _ in range(2):
        fails(here)
        here.clock.step(COOLDOWN_SECONDS)
        here.control.record_success(ROUTE, here.clock.now())
        here.clock.step(1)

    assert len({event.event_id for event in here.bus}) == 4


def test_a_failed_probe_publishes_nothing(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)

    fails(here, 1)

    assert circuit(here) is Circuit.OPEN
    assert told(here) == ["image.route.opened"]


def test_failures_of_one_route_leave_the_others_circuit_closed(here: InMemoryDeployment) -> None:
    fails(here)

    assert here.states.snapshot(ROUTES).routes[OTHER.name].breaker.circuit(here.clock.now()) is Circuit.CLOSED


@pytest.mark.parametrize("code", [FailureCode.INVALID_INPUT, FailureCode.CONTENT_BLOCKED, FailureCode.PROVIDER_FAILED])
def test_failures_of_requests_leave_the_circuit_closed(here: InMemoryDeployment, code: FailureCode) -> None:
    for _ in range(30):
        here.control.record_failure(ROUTE, failure(code), here.clock.now())

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
        here.control.record_failure(ROUTE, timed_out, began_at, tenant=f"tenant-{number}")

    assert circuit(here) is expected


def test_failures_of_one_tenant_leave_the_route_to_the_others(here: InMemoryDeployment) -> None:
    for _ in range(50):
        here.control.record_failure(ROUTE, DOWN, here.clock.now(), tenant="careless")

    breaker, now = state(here).breaker, here.clock.now()
    assert (breaker.circuit(now, "careless"), breaker.circuit(now, "other")) == (Circuit.OPEN, Circuit.CLOSED)
    assert here.control.claim_probe(ROUTE, tenant="other")
    assert not here.control.claim_probe(ROUTE, tenant="careless")
    here.control.record_success(ROUTE, now, tenant="other")
    assert state(here).breaker.circuit(now, "careless") is Circuit.OPEN


# --- told and untold


def test_a_change_that_could_not_be_published_is_published_by_the_sweep(here: InMemoryDeployment) -> None:
    here.bus.on("publish", *[PublishFailed("throttled")] * 2)
    fails(here)
    assert (told(here), state(here).breaker.unpublished_change) == ([], True)
    assert here.sweep() == []

    assert here.sweep() == [f"announced route {BETA}: open"]
    assert here.sweep() == []

    assert told(here) == ["image.route.opened"]


def test_a_change_that_could_not_be_published_is_published_with_the_next_record(here: InMemoryDeployment) -> None:
    here.control.disable(ROUTE, "a drill")
    here.bus.on("publish", PublishFailed("throttled"))
    here.control.enable(ROUTE)

    here.control.record_success(ROUTE, here.clock.now())

    assert told(here) == ["image.route.opened", "image.route.closed"]


def test_a_change_not_recorded_as_published_publishes_the_same_event_again(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW - 1)
    here.states.on("save", None, StorageFailed("throttled"))
    fails(here, 1)
    assert state(here).breaker.unpublished_change

    here.sweep()

    first, again = here.bus
    assert first == again
    assert not state(here).breaker.unpublished_change


def test_an_event_published_again_after_a_failed_probe_is_the_same_event(here: InMemoryDeployment) -> None:
    # The bus took it, but its answer was lost; meanwhile the probe failed.
    fails(here, IN_A_ROW - 1)
    here.bus.on("publish", Afterwards(PublishFailed("timed out")))
    fails(here, 1)
    here.clock.step(COOLDOWN_SECONDS)
    here.control.record_failure(ROUTE, failure(FailureCode.SUBMISSION_UNCERTAIN), here.clock.now())

    first, again = here.bus

    assert first.event_id == again.event_id
    assert first == again


def test_of_two_unpublished_changes_only_the_last_is_published(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)
    here.control.record_success(ROUTE, here.clock.now())

    assert told(here) == ["image.route.closed"]
    assert here.sweep() == []


def test_a_sweep_that_can_not_read_the_routes_still_sweeps_the_jobs(here: InMemoryDeployment) -> None:
    job = here.post().job
    here.clock.go_to(job.deadline_at)
    here.states.on("snapshot", StorageFailed("throttled"))

    assert here.sweep() == ["left the routes: throttled", f"recovered {job.job_id}: over"]


# --- reports are worth nothing against the call itself

REPORTS: dict[str, Callable[[InMemoryDeployment], None]] = {
    "went well": lambda here: here.control.record_success(ROUTE, here.clock.now()),
    "went wrong": lambda here: here.control.record_failure(ROUTE, DOWN, here.clock.now()),
    "was busy": lambda here: here.control.record_failure(ROUTE, BUSY, here.clock.now(), wait_seconds=5),
    "was full": lambda here: here.control.record_saturation(ROUTE),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
@pytest.mark.parametrize("method", ["snapshot", "save"])
def test_a_record_that_can_not_be_written_raises_nothing(
    here: InMemoryDeployment, method: str, report: Callable[[InMemoryDeployment], None]
) -> None:
    fails(here, IN_A_ROW - 1)
    here.states.on(method, *[StorageFailed("throttled")] * 9)

    report(here)

    assert told(here) == []


def test_a_record_that_lost_a_race_is_retried(here: InMemoryDeployment) -> None:
    fails(here, IN_A_ROW - 2)
    here.states.on("save", lambda: fails(here, 1))

    fails(here, 1)

    assert circuit(here) is Circuit.OPEN
    assert told(here) == ["image.route.opened"]


def test_a_record_that_always_loses_is_dropped(here: InMemoryDeployment) -> None:
    def meanwhile() -> None:
        here.clock.step(60)
        here.control.record_success(ROUTE, here.clock.now())

    here.states.on("save", meanwhile, None, meanwhile, None, meanwhile, None)

    fails(here, 1)

    assert [sample.succeeded for sample in state(here).breaker.samples] == [True] * 3


def test_a_record_keeps_the_slots_that_were_reserved_meanwhile(here: InMemoryDeployment) -> None:
    jobs = [here.post(call=f"call-{number}").job.job_id for number in range(3)]
    here.dispatch(jobs[0])
    here.states.on("save", lambda: here.dispatch(jobs[1]))

    here.control.record_failure(ROUTE, DOWN, here.clock.now())
    here.dispatch(jobs[2])

    assert state(here).queue.finish_tags == {"default": 3_000_000}


# --- the pace


def test_a_refusal_for_too_many_calls_decreases_the_rate_and_leaves_the_circuit_closed(
    here: InMemoryDeployment,
) -> None:
    for _ in range(10):
        here.control.record_failure(ROUTE, BUSY, here.clock.now(), wait_seconds=77)

    assert state(here).queue.creates_per_minute == ROUTE.creates_per_minute / 2
    assert circuit(here) is Circuit.CLOSED
    waiting = state(here).queue.with_slot("default", here.clock.now(), lambda _: 1)
    moment = waiting.starts_at("default", waiting.finish_tags["default"], lambda _: 1)
    assert moment >= here.clock.now() + timedelta(seconds=77)


def test_a_failure_of_the_route_leaves_its_rate_unchanged(here: InMemoryDeployment) -> None:
    fails(here, 1)

    assert state(here).queue.creates_per_minute == ROUTE.creates_per_minute


def test_saturation_decreases_the_rate_by_an_eighth(here: InMemoryDeployment) -> None:
    here.control.record_saturation(ROUTE)

    assert state(here).queue.creates_per_minute == pytest.approx(ROUTE.creates_per_minute * 7 / 8, rel=0.001)


def test_accepted_calls_increase_the_rate_after_a_quiet_minute(here: InMemoryDeployment) -> None:
    here.control.record_failure(ROUTE, BUSY, here.clock.now())
    slow = state(here)
    crowd = slow.with_queue(slow.queue.model_copy(update={"finish_tags": {"default": 10**12}}))
    assert here.states.save(slow, crowd)
    rates = []
    for seconds in (59, 1, 1, 9):
        here.clock.step(seconds)
        here.control.record_acceptance(ROUTE)
        rates.append(round(state(here).queue.creates_per_minute))

    assert rates == [60, 62, 62, 64]


# --- probes


def test_a_closed_route_needs_no_probe(here: InMemoryDeployment) -> None:
    assert here.control.claim_probe(ROUTE)
    assert here.states.writes == 0


def test_only_one_caller_claims_the_probe(here: InMemoryDeployment) -> None:
    fails(here)
    assert not here.control.claim_probe(ROUTE)
    here.clock.step(COOLDOWN_SECONDS)

    assert [here.control.claim_probe(ROUTE) for _ in range(3)] == [True, False, False]


def test_of_two_callers_at_once_one_claims_the_probe(here: InMemoryDeployment) -> None:
    fails(here)
    here.clock.step(COOLDOWN_SECONDS)
    inner: list[bool] = []
    here.states.on("save", lambda: inner.append(here.control.claim_probe(ROUTE)))

    outer = here.control.claim_probe(ROUTE)

    assert (inner, outer) == ([True], False)


# --- by hand


def test_a_disabled_route_stays_open_until_it_is_enabled(here: InMemoryDeployment) -> None:
    here.control.disable(ROUTE, "a drill")
    here.clock.step(86_400)
    here.control.record_success(ROUTE, here.clock.now())
    fails(here)
    assert circuit(here) is Circuit.OPEN

    here.control.enable(ROUTE)

    assert circuit(here) is Circuit.CLOSED
    assert told(here) == ["image.route.opened", "image.route.closed"]
    opened = next(iter(here.bus))
    assert isinstance(opened, RouteOpened)
    assert (opened.data.cause, opened.data.probed_from) == ("an operator disabled the route", None)


def test_enabling_an_enabled_route_publishes_nothing(here: InMemoryDeployment) -> None:
    here.control.enable(ROUTE)

    assert (told(here), here.states.writes) == ([], 0)


def test_enabling_a_route_closes_a_circuit_that_failures_opened(here: InMemoryDeployment) -> None:
    fails(here)

    here.control.enable(ROUTE)

    assert circuit(here) is Circuit.CLOSED


def test_disabling_a_route_raises_if_it_could_not_be_written(here: InMemoryDeployment) -> None:
    here.states.on("save", StorageFailed("throttled"))
    with pytest.raises(StorageFailed):
        here.control.disable(ROUTE, "a drill")

    def meanwhile() -> None:
        here.clock.step(60)
        here.control.record_success(ROUTE, here.clock.now())

    here.states.on("save", *[meanwhile, None] * TRIES)
    with pytest.raises(StorageFailed, match="changes too often"):
        here.control.disable(ROUTE, "a drill")

    assert circuit(here) is Circuit.CLOSED


def test_a_route_is_disabled_even_if_its_event_could_not_be_published(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))

    here.control.disable(ROUTE, "a drill")

    assert circuit(here) is Circuit.OPEN
    assert here.sweep() == [f"announced route {BETA}: open"]


def test_spending_is_paused_and_resumed(here: InMemoryDeployment) -> None:
    pause = here.control.pause_spending("the bill looks odd")

    assert pause == SpendingPause(since=here.clock.now(), reason="the bill looks odd")
    assert here.states.snapshot([]).spending_pause == pause
    here.control.resume_spending()
    assert here.states.snapshot([]).spending_pause is None


@pytest.mark.parametrize(
    "switch",
    [lambda here: here.control.pause_spending(""), lambda here: here.control.resume_spending()],
    ids=["pause", "resume"],
)
def test_a_spending_pause_that_could_not_be_written_raises(
    here: InMemoryDeployment, switch: Callable[[InMemoryDeployment], object]
) -> None:
    here.states.on("set_spending_pause", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        switch(here)
