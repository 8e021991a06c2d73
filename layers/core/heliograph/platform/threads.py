"""Threads as `Together`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.kernel.ports import Made


class Threads:
    """At most `most` calls at once, each in a thread that ends with them; one call alone needs none."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        if min(len(calls), self._most) <= 1:
            return in_order(calls)
        with ThreadPoolExecutor(self._most) as pool:
            made = [pool.submit(call) for call in calls]
        return [each.result() for each in made]


def in_order(calls: Sequence[Callable[[], Made]], /) -> list[Made]:
    """One after the other."""
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
