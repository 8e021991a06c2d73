"""Several calls at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from heliograph.kernel.ports import ParallelCalls
from heliograph.platform.threads import ThreadedCalls, sequential_calls

_PATIENCE_SECONDS = 10


def test_as_many_calls_as_there_is_room_for_run_at_once() -> None:
    # Nobody passes before all three are there; a fourth thread would break the barrier's count.
    meeting = threading.Barrier(3)
    assert ThreadedCalls(3)([lambda: meeting.wait(_PATIENCE_SECONDS) >= 0] * 6) == [True] * 6


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

    ThreadedCalls(2)([run] * 20)
    assert most <= 2


@pytest.mark.parametrize("in_parallel", [ThreadedCalls(4), ThreadedCalls(1), sequential_calls])
def test_answers_come_in_the_order_of_the_calls(in_parallel: ParallelCalls) -> None:
    def answering(number: int) -> Callable[[], int]:
        return lambda: number

    assert in_parallel([answering(number) for number in range(10)]) == list(range(10))
    assert in_parallel([]) == []


@pytest.mark.parametrize("in_parallel", [ThreadedCalls(4), ThreadedCalls(1), sequential_calls])
def test_one_that_fails_does_not_keep_the_others_from_being_done(in_parallel: ParallelCalls) -> None:
    done: list[int] = []

    def failing() -> None:
        raise LookupError("the first")

    def failing_too() -> None:
        raise ValueError("the second")

    with pytest.raises(LookupError):
        in_parallel([lambda: done.append(1), failing, failing_too, lambda: done.append(2)])
    assert sorted(done) == [1, 2]


def test_one_call_alone_needs_no_thread() -> None:
    assert ThreadedCalls(4)([threading.current_thread]) == [threading.current_thread()]
