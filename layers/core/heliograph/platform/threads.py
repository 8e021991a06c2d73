"""ThreadedCalls as `ParallelCalls`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.kernel.ports import Made


class ThreadedCalls:
    """Runs at most `max_threads` calls at once, each in a thread; a single call needs none."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        if min(len(calls), self._max_threads) <= 1:
            return sequential_calls(calls)
        with ThreadPoolExecutor(self._max_threads) as pool:
            made = [pool.submit(call) for call in calls]
        return [each.result() for each in made]


def sequential_calls(calls: Sequence[Callable[[], Made]], /) -> list[Made]:
    """Makes the calls one after the other; raises the first error after the last call."""
    made: list[Made] = []
    errors: list[Exception] = []
    for call in calls:
        try:
            made.append(call())
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return made
