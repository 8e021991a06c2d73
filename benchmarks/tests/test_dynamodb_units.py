"""DynamoDB's units, from items."""

from fractions import Fraction
from typing import Any

import pytest

from benchmarks._dynamodb_units import Index, index_write_units, read_units, size_bytes, table_write_units

KB = 1024


def _of(size: int) -> dict[str, dict[str, Any]]:
    """An item of that many bytes."""
    return {"id": {"S": "1"}, "x": {"S": "-" * (size - 4)}}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "Größe"}, 7),
        ({"N": "0"}, 1),
        ({"N": "1234"}, 3),
        ({"N": "-1234"}, 4),
        ({"N": "1000000"}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": [{"S": "ab"}, {"S": "c"}]}, 3 + 3 + 2),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 1 + 2),
    ],
)
def test_an_item_is_as_large_as_its_names_and_values(value: dict[str, Any], size: int) -> None:
    assert size_bytes({"name": value}) == len("name") + size


def test_a_write_takes_a_unit_for_each_kilobyte_begun_of_the_larger_item() -> None:
    assert table_write_units(None, _of(100)) == 1
    assert table_write_units(None, _of(KB)) == 1
    assert table_write_units(None, _of(KB + 1)) == 2
    assert table_write_units(_of(3 * KB), _of(100)) == 3
    # A write that was refused, or a delete of nothing.
    assert table_write_units(None, None) == 1


def test_a_transaction_writes_everything_twice() -> None:
    assert table_write_units(None, _of(KB + 1), in_transaction=True) == 4


def test_reads_go_by_four_kilobytes_and_cost_half_if_they_may_be_stale() -> None:
    assert read_units([_of(4 * KB)], is_consistent=True) == 1
    assert read_units([_of(4 * KB + 1)], is_consistent=True) == 2
    assert read_units([_of(100)], is_consistent=False) == Fraction(1, 2)
    assert read_units([None], is_consistent=True) == 1


def test_a_batch_rounds_each_item_up_and_a_query_all_of_them_together() -> None:
    items = [_of(100), _of(100), None]

    assert read_units(items, is_consistent=True) == 3
    assert read_units(items, is_consistent=True, is_query=True) == 1
    assert read_units([], is_consistent=False, is_query=True) == Fraction(1, 2)


def test_an_index_is_written_only_where_its_entry_changes() -> None:
    index = Index("open", ("shard", "at"), frozenset({"id", "shard", "at"}))
    open_item = {"id": {"S": "1"}, "shard": {"S": "a"}, "at": {"N": "1"}, "rest": {"S": "-" * 5000}}

    assert index_write_units(index, None, {"id": {"S": "1"}}) == 0
    assert index_write_units(index, None, open_item) == 1
    assert index_write_units(index, open_item, {**open_item, "rest": {"S": ""}}) == 0
    # Another key: the old entry goes, a new one comes.
    assert index_write_units(index, open_item, {**open_item, "at": {"N": "2"}}) == 2
    assert index_write_units(index, open_item, {"id": {"S": "1"}}) == 1


def test_a_changed_attribute_that_an_index_holds_is_one_write_of_it() -> None:
    index = Index("all", ("tenant",), None)

    assert index_write_units(index, {**_of(2 * KB), "tenant": {"S": "a"}}, {**_of(100), "tenant": {"S": "a"}}) == 3
