"""ThreadedCalls as `ParallelCalls`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.kernel.ports import Made


class ThreadedCalls:
    """`ParallelCalls` with at most `most` calls at once, each in a thread of its own. A single call needs no thread."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        if min(len(calls), self._most) <= 1:
            return sequential_calls(calls)
        with ThreadPoolExecutor(self._most) as pool:
            made = [pool.submit(call) for call in calls]
        return [each.result() for each in made]


def sequential_calls(calls: Sequence[Callable[[], Made]], /) -> list[Made]:
    """`ParallelCalls` that makes one call after the other."""
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
