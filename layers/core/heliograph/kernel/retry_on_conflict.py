"""Optimistic locking: read, decide, write on the condition that nobody else has written since, or begin again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from heliograph.kernel.errors import HeliographError, WriteConflict

TRIES = 5
"""How often everybody tries who has no reason of their own for another number."""

Current = TypeVar("Current")
Updated = TypeVar("Updated")


def update_with_retry(
    read: Callable[[], Current],
    update: Callable[[Current], Updated],
    *,
    first: Current | None = None,
    on: type[HeliographError] | tuple[type[HeliographError], ...] = WriteConflict,
    tries: int = TRIES,
    give_up: HeliographError | None = None,
) -> Updated:
    """The result of `update`, which decides by what was read, and writes it conditionally.

    Where another writer was faster, `update` raises one of `on`; then both are done again, at most `tries` times in
    all. After the last, `give_up` is raised, or the last conflict where there is none. `first` was read already.
    """
    current = read() if first is None else first
    for _ in range(tries - 1):
        try:
            return update(current)
        except on:
            current = read()
    try:
        return update(current)
    except on as conflict:
        if give_up is None:
            raise
        raise give_up from conflict
