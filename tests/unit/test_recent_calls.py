"""Which call a repeat belongs to: never is there more work than calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from heliograph.domain.recent_calls import REMEMBERED, Arrival, Recent, Stage, advanced, placed
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Front:
    """Where equal calls arrive."""

    def __init__(self) -> None:
        self.recent: Recent = ()

    def arrive(self, call_id: str, at: float, *, repeat: int = 0) -> str:
        arrival = Arrival(call_id=call_id, received_at=START + timedelta(seconds=at), repeat=repeat)
        call, self.recent = placed(arrival, self.recent)
        return call.call_id

    def reach(self, call_id: str, stage: Stage) -> None:
        self.recent = advanced(call_id, stage, self.recent)


def test_a_repeat_belongs_to_its_call_again_and_again() -> None:
    front = Front()
    assert front.arrive("a", 0) == "a"
    assert [front.arrive(f"r{number}", number, repeat=number) for number in (1, 2, 3)] == ["a", "a", "a"]


def test_a_call_that_is_no_repeat_is_always_new() -> None:
    front = Front()
    assert [front.arrive(name, at) for at, name in enumerate("abc")] == ["a", "b", "c"]


def test_repeats_of_several_equal_calls_are_spread_over_them() -> None:
    front = Front()
    calls = {front.arrive(name, at) for at, name in enumerate("abc")}
    assert {front.arrive(f"r{at}", at, repeat=1) for at in (10, 11, 12)} == calls


def test_a_repeat_joins_the_call_that_was_not_answered() -> None:
    front = Front()
    for at, name in enumerate("abc"):
        front.arrive(name, at)
        front.reach(name, Stage.SUBMITTED)
    for name in "ac":
        front.reach(name, Stage.ANSWERED)
    assert front.arrive("r", 10, repeat=1) == "b"


def test_the_repeat_of_a_call_that_was_refused_is_not_given_the_answer_of_an_earlier_one() -> None:
    front = Front()
    front.arrive("answered", 0)
    front.reach("answered", Stage.ANSWERED)
    front.arrive("refused", 10)
    assert front.arrive("r", 20, repeat=1) == "refused"


def test_a_call_that_came_to_nothing_is_not_begun_by_the_repeat_of_another() -> None:
    front = Front()
    front.arrive("died", 0)
    front.arrive("answered", 10)
    front.reach("answered", Stage.ANSWERED)
    assert front.arrive("r", 20, repeat=1) == "answered"


def test_a_repeat_of_what_never_arrived_is_a_call() -> None:
    front = Front()
    assert front.arrive("r1", 0, repeat=1) == "r1"
    assert front.arrive("r2", 1, repeat=2) == "r1"


def test_a_call_that_arrives_after_its_own_repeat_belongs_to_it() -> None:
    front = Front()
    assert front.arrive("r2", 5, repeat=2) == "r2"
    assert front.arrive("r1", 3, repeat=1) == "r2"
    assert front.arrive("a", 0) == "r2"
    assert front.arrive("another", 4) == "another"


def test_a_call_sent_after_a_repeat_is_its_own() -> None:
    front = Front()
    front.arrive("r1", 0, repeat=1)
    assert front.arrive("next", 1) == "next"


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
        front.arrive(f"c{number}", number)
    assert len(front.recent) <= 100
    assert front.arrive("r", 300, repeat=1) == "c299"


def test_a_call_that_is_repeated_very_often_stays_one_and_stays_small() -> None:
    front = Front()
    assert {front.arrive(f"s{repeat}", repeat, repeat=repeat) for repeat in range(300)} == {"s0"}
    assert len(front.recent[0].sendings) <= 20
    assert front.arrive("next", 300) == "next"


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
