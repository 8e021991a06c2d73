"""Optimistic locking in one place: how often it is tried, with what, and how it ends."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import heliograph
import pytest
from heliograph.kernel.errors import (
    Conflict,
    HeliographError,
    KeyHeld,
    ObjectChanged,
    StaleJob,
    StaleRecord,
    StorageFailed,
    WriteConflict,
)
from heliograph.kernel.retry_on_conflict import TRIES, update_with_retry


class Record:
    """A number that others write to as well: the next `losses` writes come too late."""

    def __init__(self, losses: int, conflict: HeliographError | None = None) -> None:
        self.number = 0
        self.reads = 0
        self.written: list[int] = []
        self._losses = losses
        self._conflict = conflict or StaleRecord("somebody else")

    def read(self) -> int:
        self.reads += 1
        return self.number

    def add_one(self, current: int) -> int:
        if self._losses:
            self._losses -= 1
            self.number += 10
            raise self._conflict
        self.number = current + 1
        self.written.append(self.number)
        return self.number


def test_a_write_that_nobody_is_in_the_way_of_is_one_read_and_one_write() -> None:
    record = Record(0)
    assert update_with_retry(record.read, record.add_one) == 1
    assert (record.reads, record.written) == (1, [1])


@pytest.mark.parametrize("conflict", [StaleJob("j"), StaleRecord("r"), KeyHeld("k")])
def test_what_lost_to_another_writer_is_decided_anew_by_what_that_one_wrote(conflict: HeliographError) -> None:
    record = Record(2, conflict)
    assert update_with_retry(record.read, record.add_one) == 21
    assert (record.reads, record.written) == (3, [21])


def test_what_was_read_already_is_not_read_again() -> None:
    record = Record(1)
    assert update_with_retry(record.read, record.add_one, first=0) == 11
    assert record.reads == 1


@pytest.mark.parametrize("tries", [1, 2, TRIES, 20])
def test_it_is_tried_so_often_and_no_more(tries: int) -> None:
    lucky, unlucky = Record(tries - 1), Record(tries)
    update_with_retry(lucky.read, lucky.add_one, tries=tries)
    with pytest.raises(StaleRecord, match="somebody else"):
        update_with_retry(unlucky.read, unlucky.add_one, tries=tries)
    assert (unlucky.reads, unlucky.written) == (tries, [])


def test_whoever_gives_up_may_say_so_in_other_words_and_the_conflict_is_the_cause() -> None:
    record, gives_up = Record(99), Conflict("changed_meanwhile", "look at it again")
    with pytest.raises(Conflict) as caught:
        update_with_retry(record.read, record.add_one, give_up=gives_up)
    assert caught.value is gives_up
    assert isinstance(caught.value.__cause__, StaleRecord)


@pytest.mark.parametrize("error", [StorageFailed("s"), ObjectChanged("o"), Conflict("c", "c"), ValueError("v")])
def test_no_other_error_is_tried_again(error: Exception) -> None:
    made: list[int] = []

    def update(current: int) -> int:
        made.append(current)
        raise error

    with pytest.raises(type(error)) as caught:
        update_with_retry(lambda: 0, update, give_up=StorageFailed("too often"))
    assert caught.value is error
    assert made == [0]


def test_what_counts_as_a_conflict_is_the_callers_to_say() -> None:
    changed, stale = Record(1, ObjectChanged("o")), Record(1)
    assert update_with_retry(changed.read, changed.add_one, on=ObjectChanged) == 11
    with pytest.raises(StaleRecord):
        update_with_retry(stale.read, stale.add_one, on=(ObjectChanged, StaleJob))


def test_an_error_of_a_read_ends_it() -> None:
    def reading() -> Callable[[], int]:
        reads = iter([0])

        def read() -> int:
            for number in reads:
                return number
            raise StorageFailed("throttled")

        return read

    record = Record(1)
    with pytest.raises(StorageFailed, match="throttled"):
        update_with_retry(reading(), record.add_one)


CONFLICTS = {error.__name__ for error in [WriteConflict, ObjectChanged, *WriteConflict.__subclasses__()]}


def _catches_conflicts_in_a_loop(path: Path) -> bool:
    loops = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.For | ast.While)]
    handled = [part for loop in loops for part in ast.walk(loop) if isinstance(part, ast.ExceptHandler | ast.With)]
    named = [name.id for part in handled for name in ast.walk(part) if isinstance(name, ast.Name)]
    return bool(CONFLICTS.intersection(named))


def test_no_other_module_has_such_a_loop_of_its_own() -> None:
    modules = sorted(Path(heliograph.__path__[0]).rglob("*.py"))
    assert len(modules) > 100
    assert [path.name for path in modules if _catches_conflicts_in_a_loop(path)] == []
