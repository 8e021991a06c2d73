"""Circuit breaker: a table of events in each state, and the times at which the state changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.routes.circuit_breaker import IN_A_ROW, SAMPLES, Breaker, Circuit, OpenCircuit, is_route_failure
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
COOLDOWN = 30
# Longer than a create call may take.
PROBE = 210


def seconds(value: float) -> datetime:
    return START + timedelta(seconds=value)


def failing(breaker: Breaker, times: int = IN_A_ROW, at: datetime = START) -> Breaker:
    for _ in range(times):
        breaker = breaker.after_failure("503", at, began_at=at)
    return breaker


def open_circuit_of(breaker: Breaker) -> OpenCircuit:
    assert breaker.open_circuit
    return breaker.open_circuit


OPEN = failing(Breaker())
HELD = Breaker().disabled("a drill", START)
HALF_OPEN_AT = seconds(COOLDOWN)
PROBED = OPEN.with_probe(HALF_OPEN_AT)


# --- the table

HALF = Circuit.HALF_OPEN
PERSON_CLOSES: Callable[[Breaker, datetime], Breaker] = Breaker.closed


def SUCCESS(breaker: Breaker, at: datetime) -> Breaker:  # noqa: N802 - a row of the table
    return breaker.after_success(at, began_at=at)


def STRAGGLER(breaker: Breaker, at: datetime) -> Breaker:  # noqa: N802
    return breaker.after_success(at, began_at=START - timedelta(seconds=1))


def failure(breaker: Breaker, at: datetime) -> Breaker:
    return breaker.after_failure("504", at, began_at=at)


def person_opens(breaker: Breaker, at: datetime) -> Breaker:
    return breaker.disabled("a repair", at)


@pytest.mark.parametrize(
    ("before", "at", "event", "circuit_before", "circuit_after"),
    [
        pytest.param(Breaker(), START, SUCCESS, Circuit.CLOSED, Circuit.CLOSED, id="closed: a task brings its picture"),
        pytest.param(Breaker(), START, failure, Circuit.CLOSED, Circuit.CLOSED, id="closed: a call fails"),
        pytest.param(failing(Breaker(), 4), START, failure, Circuit.CLOSED, Circuit.OPEN, id="closed: the fifth fails"),
        pytest.param(Breaker(), START, person_opens, Circuit.CLOSED, Circuit.OPEN, id="closed: a person opens it"),
        pytest.param(Breaker(), START, PERSON_CLOSES, Circuit.CLOSED, Circuit.CLOSED, id="closed: a person closes it"),
        pytest.param(OPEN, seconds(29), failure, Circuit.OPEN, Circuit.OPEN, id="open: a straggler fails"),
        pytest.param(OPEN, seconds(29), STRAGGLER, Circuit.OPEN, Circuit.OPEN, id="open: a straggler succeeds"),
        pytest.param(OPEN, seconds(29), PERSON_CLOSES, Circuit.OPEN, Circuit.CLOSED, id="open: a person closes it"),
        pytest.param(OPEN, seconds(29), person_opens, Circuit.OPEN, Circuit.OPEN, id="open: a person holds it"),
        pytest.param(OPEN, HALF_OPEN_AT, Breaker.with_probe, HALF, Circuit.OPEN, id="half-open: a probe leaves"),
        pytest.param(OPEN, HALF_OPEN_AT, SUCCESS, HALF, Circuit.CLOSED, id="half-open: a task brings its picture"),
        pytest.param(OPEN, HALF_OPEN_AT, failure, HALF, Circuit.OPEN, id="half-open: a call fails"),
        pytest.param(OPEN, HALF_OPEN_AT, person_opens, HALF, Circuit.OPEN, id="half-open: a person holds it"),
        pytest.param(PROBED, seconds(60), SUCCESS, Circuit.OPEN, Circuit.CLOSED, id="probed: it brings its picture"),
        pytest.param(PROBED, seconds(60), failure, Circuit.OPEN, Circuit.OPEN, id="probed: it failed"),
        pytest.param(PROBED, seconds(60), PERSON_CLOSES, Circuit.OPEN, Circuit.CLOSED, id="probed: a person closes it"),
        pytest.param(HELD, seconds(9999), SUCCESS, Circuit.OPEN, Circuit.OPEN, id="held: a straggler succeeds"),
        pytest.param(HELD, seconds(9999), failure, Circuit.OPEN, Circuit.OPEN, id="held: a straggler fails"),
        pytest.param(HELD, seconds(9999), PERSON_CLOSES, Circuit.OPEN, Circuit.CLOSED, id="held: a person closes it"),
    ],
)
def test_each_event_changes_the_circuit_as_the_table_says(
    before: Breaker,
    at: datetime,
    event: Callable[[Breaker, datetime], Breaker],
    circuit_before: Circuit,
    circuit_after: Circuit,
) -> None:
    after = event(before, at)

    assert (before.circuit(at), after.circuit(at)) == (circuit_before, circuit_after)
    # What changes hands is told: once for each opening and each closing.
    switched = (before.open_circuit is None) is not (after.open_circuit is None)
    assert after.unpublished_change or not switched


# --- when it opens


def test_a_success_restarts_the_count_of_failures_in_a_row() -> None:
    breaker = failing(failing(Breaker(), 4).after_success(START, began_at=START), 4)

    assert breaker.circuit(START) is Circuit.CLOSED
    assert failing(breaker, 1).circuit(START) is Circuit.OPEN


def alternating(calls: int) -> Breaker:
    breaker = Breaker()
    for number in range(calls):
        breaker = breaker.after_success(START, began_at=START) if number % 2 == 0 else failing(breaker, 1)
    return breaker


def test_half_of_the_last_twenty_calls_failing_opens_the_circuit() -> None:
    assert alternating(SAMPLES - 1).circuit(START) is Circuit.CLOSED
    assert alternating(SAMPLES).circuit(START) is Circuit.OPEN


def test_a_third_of_the_calls_failing_leaves_the_circuit_closed() -> None:
    breaker = Breaker()
    for _ in range(30):
        breaker = failing(breaker.after_success(START, began_at=START).after_success(START, began_at=START), 1)

    assert breaker.circuit(START) is Circuit.CLOSED
    assert len(breaker.samples) == SAMPLES


def test_samples_older_than_five_minutes_do_not_count() -> None:
    old = failing(Breaker(), IN_A_ROW - 1)

    assert failing(old, 1, seconds(299)).circuit(seconds(299)) is Circuit.OPEN
    assert failing(old, 1, seconds(300)).circuit(seconds(300)) is Circuit.CLOSED


def test_an_open_circuit_has_its_cause_and_the_time_of_its_next_probe() -> None:
    assert open_circuit_of(OPEN) == OpenCircuit(opened_at=START, cause="503", half_open_at=seconds(COOLDOWN))
    assert OPEN.next_probe_at(START) == seconds(COOLDOWN)
    assert OPEN.next_probe_at(seconds(99)) == seconds(99)
    assert HELD.next_probe_at(START) is None
    assert Breaker().next_probe_at(START) is None


# --- probes


def test_a_cooldown_ends_in_one_probe() -> None:
    assert OPEN.circuit(seconds(COOLDOWN - 0.001)) is Circuit.OPEN
    assert OPEN.circuit(seconds(COOLDOWN)) is Circuit.HALF_OPEN
    assert PROBED.circuit(seconds(COOLDOWN)) is Circuit.OPEN


def test_a_probe_without_a_result_is_followed_by_another() -> None:
    assert PROBED.circuit(seconds(COOLDOWN + PROBE - 0.001)) is Circuit.OPEN
    assert PROBED.circuit(seconds(COOLDOWN + PROBE)) is Circuit.HALF_OPEN


def test_each_failed_probe_doubles_the_cooldown_up_to_ten_minutes() -> None:
    breaker, cooldowns = OPEN, []
    for _ in range(8):
        until = open_circuit_of(breaker).half_open_at
        assert until
        assert breaker.circuit(until) is Circuit.HALF_OPEN
        breaker = failing(breaker.with_probe(until), 1, until)
        assert breaker.circuit(until) is Circuit.OPEN
        again = open_circuit_of(breaker).half_open_at
        assert again
        cooldowns.append((again - until).total_seconds())

    assert cooldowns == [60, 120, 240, 480, 600, 600, 600, 600]


def test_a_failed_probe_is_no_new_change_to_publish() -> None:
    again = failing(OPEN.as_published().with_probe(HALF_OPEN_AT), 1, HALF_OPEN_AT)

    assert not again.unpublished_change
    assert open_circuit_of(again).opened_at == START


def test_a_closed_circuit_has_no_samples_and_starts_over_with_the_first_cooldown() -> None:
    closed = failing(PROBED, 1, seconds(60)).closed(seconds(200))
    assert (closed.samples, closed.closed_at, closed.unpublished_change) == ((), seconds(200), True)

    assert failing(closed, IN_A_ROW - 1, seconds(201)).circuit(seconds(201)) is Circuit.CLOSED
    again = failing(closed, IN_A_ROW, seconds(201))
    assert open_circuit_of(again).half_open_at == seconds(201 + COOLDOWN)


def test_a_closed_circuit_needs_no_probe() -> None:
    with pytest.raises(ValueError, match="no probe"):
        Breaker().with_probe(START)


def test_a_disabled_route_has_no_probe_and_the_operators_reason() -> None:
    assert open_circuit_of(HELD) == OpenCircuit(opened_at=START, cause="a drill", half_open_at=None)
    assert HELD.circuit(START + timedelta(days=365)) is Circuit.OPEN


def test_a_published_change_is_no_longer_unpublished() -> None:
    assert OPEN.unpublished_change
    assert not OPEN.as_published().unpublished_change
    assert OPEN.as_published().open_circuit == OPEN.open_circuit


# --- whose failures they are


def failures(breaker: Breaker, *tenants: str, at: datetime = START) -> Breaker:
    """After a failure of each."""
    for tenant in tenants:
        breaker = breaker.after_failure("504", at, began_at=at, tenant=tenant)
    return breaker


def successes(breaker: Breaker, *tenants: str, at: datetime = START) -> Breaker:
    for tenant in tenants:
        breaker = breaker.after_success(at, began_at=at, tenant=tenant)
    return breaker


def open_for(breaker: Breaker, at: datetime = START) -> set[str]:
    return {tenant for tenant in ("a", "b", "c") if breaker.circuit(at, tenant) is not Circuit.CLOSED}


@pytest.mark.parametrize(
    ("tenants", "shut"),
    [
        ("aaaa", set()),
        ("aaaaa", {"a"}),
        ("a" * 60, {"a"}),
        ("aaaab", {"a"}),
        ("baaaa", {"a"}),
        ("a" * 30 + "b", {"a"}),
        ("a" * 30 + "bb", {"a", "b", "c"}),
        ("aaabb", {"a", "b", "c"}),
        ("ababa", {"a", "b", "c"}),
        ("aabbc", {"a", "b", "c"}),
    ],
)
def test_a_circuit_opens_for_all_tenants_only_if_the_calls_of_several_tenants_fail(
    tenants: str, shut: set[str]
) -> None:
    assert open_for(failures(Breaker(), *tenants)) == shut


def test_failures_of_one_tenant_open_the_circuit_for_that_tenant_only() -> None:
    breaker = Breaker()
    for _ in range(SAMPLES // 2):
        breaker = failures(successes(breaker, "b"), "a")
    assert open_for(breaker) == {"a"}


def test_an_operator_sees_a_circuit_that_is_open_for_one_tenant_as_open() -> None:
    assert failures(Breaker(), *"aaaaa").circuit(START) is Circuit.OPEN


def test_a_circuit_that_is_open_for_one_tenant_is_closed_by_that_tenants_probe_only() -> None:
    shut = failures(Breaker(), *"aaaaa")
    later = seconds(COOLDOWN)
    assert shut.circuit(later, "a") is Circuit.HALF_OPEN
    assert open_for(successes(shut, *"bbb", at=later), later) == {"a"}
    assert open_for(successes(shut, "a", at=later), later) == set()
    assert failures(shut, "a", at=later).circuit(later, "a") is Circuit.OPEN


# --- what counts


COUNTS = {
    FailureCode.PRESET_STOPPED: False,
    FailureCode.ROUTE_UNAVAILABLE: True,
    FailureCode.PROVIDER_TIMEOUT: True,
    FailureCode.SUBMISSION_UNCERTAIN: True,
    FailureCode.RATE_LIMITED: False,
    FailureCode.INVALID_INPUT: False,
    FailureCode.UNSUPPORTED_MEDIA: False,
    FailureCode.CONTENT_BLOCKED: False,
    FailureCode.PROVIDER_FAILED: False,
    FailureCode.RESULT_UNUSABLE: False,
    FailureCode.BUDGET_EXCEEDED: False,
    FailureCode.INTERNAL: False,
}


@pytest.mark.parametrize("code", FailureCode)
def test_only_failures_of_the_route_itself_count(code: FailureCode) -> None:
    failed = Failure(code=code, message="", retryable=False, charged=Charged.NO)

    assert is_route_failure(failed) is COUNTS[code]


HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["success", "failure", "probe", "hold", "close", "told"]), st.integers(0, 400)),
    max_size=60,
)


@given(HAPPENINGS)
def test_the_breaker_stays_small_and_survives_json_after_any_events(
    happenings: list[tuple[str, int]],
) -> None:
    breaker, at = Breaker(), START
    for what, pause in happenings:
        at += timedelta(seconds=pause)
        match what:
            case "success":
                breaker = breaker.after_success(at, began_at=at)
            case "failure":
                breaker = breaker.after_failure("503", at, began_at=at)
            case "probe" if breaker.circuit(at) is Circuit.HALF_OPEN:
                breaker = breaker.with_probe(at)
                assert breaker.circuit(at) is Circuit.OPEN
            case "hold":
                breaker = breaker.disabled("a drill", at)
            case "close":
                breaker = breaker.closed(at)
                assert breaker.circuit(at) is Circuit.CLOSED
            case _:
                breaker = breaker.as_published()
        assert len(breaker.samples) <= SAMPLES
        assert breaker.open_circuit is None or not breaker.samples
        assert Breaker.model_validate_json(breaker.model_dump_json()) == breaker
