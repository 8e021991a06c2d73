"""Several calls at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from heliograph.kernel.ports import Together
from heliograph.platform.threads import Threads, in_order

_PATIENCE_SECONDS = 10


def test_as_many_calls_as_there_is_room_for_run_at_once() -> None:
    # Nobody passes before all three are there; a fourth thread would break the barrier's count.
    meeting = threading.Barrier(3)
    assert Threads(3)([lambda: meeting.wait(_PATIENCE_SECONDS) >= 0] * 6) == [True] * 6


def test_no_more_run_at_once_than_there_is_room_for() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def run() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001)
        with lock:
            running -= 1

    Threads(2)([run] * 20)
    assert most <= 2


@pytest.mark.parametrize("together", [Threads(4), Threads(1), in_order])
def test_answers_come_in_the_order_of_the_calls(together: Together) -> None:
    def answering(number: int) -> Callable[[], int]:
        return lambda: number

    assert together([answering(number) for number in range(10)]) == list(range(10))
    assert together([]) == []


@pytest.mark.parametrize("together", [Threads(4), Threads(1), in_order])
def test_one_that_fails_does_not_keep_the_others_from_being_done(together: Together) -> None:
    done: list[int] = []

    def failing() -> None:
        raise LookupError("the first")

    def failing_too() -> None:
        raise ValueError("the second")

    with pytest.raises(LookupError):
        together([lambda: done.append(1), failing, failing_too, lambda: done.append(2)])
    assert sorted(done) == [1, 2]


def test_one_call_alone_needs_no_thread() -> None:
    assert Threads(4)([threading.current_thread]) == [threading.current_thread()]
