"""Which call a repeat belongs to: never is there more work than calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.intake.recent_calls import (
    GATEWAY_PATIENCE,
    REMEMBERED,
    REPEATED_WITHIN,
    IncomingCall,
    Recent,
    Stage,
    match_retry,
    with_stage,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Front:
    """Where equal calls arrive."""

    def __init__(self) -> None:
        self.recent: Recent = ()

    def arrive(self, call_id: str, at: float, *, repeat: int = 0) -> str:
        arrival = IncomingCall(call_id=call_id, received_at=START + timedelta(seconds=at), repeat=repeat)
        call, self.recent = match_retry(arrival, self.recent)
        return call.call_id

    def reach(self, call_id: str, stage: Stage, at: float) -> None:
        self.recent = with_stage(call_id, stage, START + timedelta(seconds=at), self.recent)

    def answered(self, call_id: str, at: float) -> str:
        """A call that is answered a second after it came: its answer is sure to have arrived."""
        name = self.arrive(call_id, at)
        self.reach(name, Stage.ANSWERED, at + 1)
        return name


def test_a_numbered_repeat_belongs_to_its_call_again_and_again() -> None:
    front = Front()
    assert front.answered("a", 0) == "a"
    assert [front.arrive(f"r{number}", number, repeat=number) for number in (1, 2, 3)] == ["a", "a", "a"]


def test_the_same_wanted_again_after_an_answer_is_a_call_of_its_own() -> None:
    front = Front()
    assert [front.answered(name, 10 * at) for at, name in enumerate("abc")] == ["a", "b", "c"]


@pytest.mark.parametrize("stage", [Stage.BEGUN, Stage.SUBMITTED])
@pytest.mark.parametrize("after", [0, 0.001, 1, 29, 101, 300, 899])
def test_an_equal_call_joins_one_that_has_no_answer_yet(stage: Stage, after: float) -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", stage, 0)
    assert front.arrive("b", after) == "a"


@pytest.mark.parametrize("gateway", [29, 30, 60, 100], ids=["API Gateway", "Heroku", "nginx, ALB", "Cloudflare"])
@pytest.mark.parametrize("backoff", [0.4, 2, 8, 60])
def test_the_repeat_after_a_gateway_gave_up_joins_whether_the_answer_is_there_by_then_or_not(
    gateway: float, backoff: float
) -> None:
    answered_before_the_repeat, answered_after_it = Front(), Front()
    for front in (answered_before_the_repeat, answered_after_it):
        front.arrive("a", 0)
        front.reach("a", Stage.SUBMITTED, 0)
    answered_before_the_repeat.reach("a", Stage.ANSWERED, gateway + 0.3)
    assert answered_before_the_repeat.arrive("r", gateway + backoff) == "a"
    assert answered_after_it.arrive("r", gateway + backoff) == "a"


def test_of_an_answer_that_took_long_the_repeat_comes_soon_or_it_is_none() -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", Stage.ANSWERED, 40)
    assert front.arrive("b", 40 + REPEATED_WITHIN.total_seconds() - 1) == "a"
    # Those that joined had their answer at once: they make the time no longer.
    front.reach("a", Stage.ANSWERED, 100)
    assert front.arrive("c", 40 + REPEATED_WITHIN.total_seconds()) == "c"


def test_an_answer_that_no_gateway_would_have_cut_off_is_not_joined() -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", Stage.ANSWERED, GATEWAY_PATIENCE.total_seconds() - 1)
    assert front.arrive("b", GATEWAY_PATIENCE.total_seconds()) == "b"


def test_a_client_that_repeated_before_the_answer_waits_for_less_than_it_took() -> None:
    front = Front()
    assert [front.arrive(name, at) for at, name in enumerate("abc")] == ["a", "a", "a"]
    front.reach("a", Stage.ANSWERED, 4)
    assert front.arrive("d", 5) == "a"


def test_a_failure_that_may_have_cost_money_is_answered_again_not_paid_again() -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", Stage.FAILED, 3)
    assert front.arrive("b", 5) == "a"
    assert front.arrive("c", 3 + REPEATED_WITHIN.total_seconds()) == "c"


def test_what_was_refused_or_failed_for_free_may_be_wanted_again_at_once() -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", Stage.REFUSED, 40)
    assert front.arrive("b", 41) == "b"


def test_a_refused_call_that_its_repeat_does_after_all_counts_from_then() -> None:
    front = Front()
    front.arrive("a", 0)
    front.reach("a", Stage.REFUSED, 0)
    assert front.arrive("r", 60, repeat=1) == "a"
    front.reach("a", Stage.ANSWERED, 70)
    assert front.arrive("b", 75) == "b"


def test_numbered_repeats_of_several_equal_calls_are_spread_over_them() -> None:
    front = Front()
    calls = {front.answered(name, 2 * at) for at, name in enumerate("abc")}
    assert {front.arrive(f"r{at}", at, repeat=1) for at in (10, 11, 12)} == calls


def test_a_repeat_joins_the_call_that_was_not_answered() -> None:
    front = Front()
    front.answered("a", 0)
    front.arrive("b", 5)
    front.reach("b", Stage.SUBMITTED, 5)
    assert front.arrive("r", 10, repeat=1) == "b"


def test_the_repeat_of_a_call_that_was_refused_is_not_given_the_answer_of_an_earlier_one() -> None:
    front = Front()
    front.answered("answered", 0)
    front.arrive("refused", 10)
    front.reach("refused", Stage.REFUSED, 10)
    assert front.arrive("r", 20, repeat=1) == "refused"


def test_a_call_that_came_to_nothing_is_taken_up_by_the_next_equal_one() -> None:
    front = Front()
    front.arrive("died", 0)
    assert front.arrive("next", 10) == "died"


def test_a_repeat_of_what_never_arrived_is_a_call() -> None:
    front = Front()
    assert front.arrive("r1", 0, repeat=1) == "r1"
    assert front.arrive("r2", 1, repeat=2) == "r1"


def test_a_call_that_arrives_after_its_own_repeat_belongs_to_it() -> None:
    front = Front()
    assert front.arrive("r2", 5, repeat=2) == "r2"
    assert front.arrive("r1", 3, repeat=1) == "r2"
    front.reach("r2", Stage.ANSWERED, 6)
    assert front.arrive("a", 0) == "r2"


def test_a_call_sent_after_a_repeat_was_answered_is_its_own() -> None:
    front = Front()
    front.arrive("r1", 0, repeat=1)
    front.reach("r1", Stage.ANSWERED, 1)
    assert front.arrive("next", 2) == "next"


def test_after_a_quarter_of_an_hour_nothing_is_remembered() -> None:
    front = Front()
    front.arrive("a", 0)
    assert front.arrive("r", REMEMBERED.total_seconds(), repeat=1) == "r"
    assert len(front.recent) == 1


def test_a_repeat_that_comes_late_because_its_client_was_patient_is_known() -> None:
    front = Front()
    patience = REMEMBERED.total_seconds() - 60
    assert [front.arrive(f"s{repeat}", repeat * patience, repeat=repeat) for repeat in range(3)] == ["s0"] * 3


def test_what_is_remembered_is_bounded() -> None:
    front = Front()
    for number in range(300):
        front.answered(f"c{number}", 2 * number)
    assert len(front.recent) == 16
    assert len(TypeAdapter(Recent).dump_json(front.recent)) < 8_000
    assert front.arrive("r", 600, repeat=1) == "c299"


def test_a_call_that_is_repeated_very_often_stays_one_and_stays_small() -> None:
    front = Front()
    assert {front.arrive(f"s{repeat}", repeat, repeat=repeat) for repeat in range(300)} == {"s0"}
    assert len(front.recent[0].sendings) == 4
    front.reach("s0", Stage.REFUSED, 300)
    assert front.arrive("next", 301) == "next"


def test_many_equal_calls_at_once_write_no_more_than_two() -> None:
    front = Front()
    seen = set()
    for number in range(50):
        front.arrive(f"c{number}", number / 1000)
        seen.add(TypeAdapter(Recent).dump_json(front.recent))
    assert len(seen) == 2


# Each call is sent once, and repeated up to three times, in any order of arrival.
SENDINGS = st.lists(st.integers(0, 3), min_size=1, max_size=6).flatmap(
    lambda repeats: st.permutations(
        [(call, repeat) for call, last in enumerate(repeats) for repeat in range(last + 1)]
    ).map(lambda order: (len(repeats), order))
)


@given(SENDINGS, st.sets(st.tuples(st.integers(0, 5), st.integers(0, 3))))
def test_there_is_never_more_work_than_calls(
    sendings: tuple[int, list[tuple[int, int]]], lost: set[tuple[int, int]]
) -> None:
    calls, order = sendings
    front, made = Front(), set()
    # A client repeats after it has sent; what it sent may arrive late, or never.
    sent_at = {sending: 10 * sending[1] + sending[0] / 10 for sending in order}
    for sending in sorted(order, key=lambda one: one[1]):
        if sending not in lost:
            made.add(front.arrive(f"{sending}", sent_at[sending], repeat=sending[1]))
    assert len(made) <= calls


@given(st.permutations(range(4)))
def test_in_whatever_order_the_sendings_of_one_call_arrive_its_work_is_done_once(order: list[int]) -> None:
    front = Front()
    assert len({front.arrive(f"s{repeat}", repeat, repeat=repeat) for repeat in order}) == 1
