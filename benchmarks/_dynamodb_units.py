"""What DynamoDB charges for a request on demand, by its documented rules, from the items before and after it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html (sizes of items)
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html (units)
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html (writes of indexes, half units of reads)
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (transactions: each item twice)

An index follows its table after the commit, so its writes count once in a transaction too. Items are in the wire's
form, `{"name": {"S": "value"}}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
_WRITE_BYTES, _READ_BYTES = 1024, 4096


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: its key attributes, and what else it holds; `None`: everything."""

    name: str
    keys: tuple[str, ...]
    projected: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """What the index holds of an item: nothing of one that lacks a key."""
        if item is None or not all(key in item for key in self.keys):
            return None
        return item if self.projected is None else {name: item[name] for name in item if name in self.projected}


def size_bytes(item: Item) -> int:
    """Names and values, in UTF-8."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    (kind, content), *_ = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").replace(".", "").strip("0")
            return ceil(len(digits) / 2) + 1 + int(content.startswith("-"))
        case "B":
            return int(len(content) * 3 // 4)
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({kind[0]: each}) for each in content)
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in content.items())
        case _:  # BOOL, NULL
            return 1


def read_units(items: Iterable[Item | None], *, is_consistent: bool, is_query: bool = False) -> Fraction:
    """Items read one by one, each rounded up by itself; those of a query are rounded up together."""
    sizes = [0 if item is None else size_bytes(item) for item in items]
    whole = [sum(sizes)] if is_query else sizes
    units = sum(max(1, ceil(size / _READ_BYTES)) for size in whole)
    return Fraction(units) if is_consistent else Fraction(units, 2)


def table_write_units(before: Item | None, after: Item | None, *, in_transaction: bool = False) -> int:
    """The larger of the two, in whole kilobytes, one at least; twice that in a transaction. Refused ones count."""
    largest = max(size_bytes(item) if item else 0 for item in (before, after))
    return max(1, ceil(largest / _WRITE_BYTES)) * (2 if in_transaction else 1)


def index_write_units(index: Index, before: Item | None, after: Item | None) -> int:
    """Nothing where the entry stays as it is; one write where it changes, two where its key does."""
    old, new = index.entry(before), index.entry(after)
    if old == new:
        return 0
    if old is not None and new is not None and any(old[key] != new[key] for key in index.keys):
        return _kilobytes(old) + _kilobytes(new)
    return max(_kilobytes(entry) for entry in (old, new) if entry is not None)


def _kilobytes(item: Item) -> int:
    return max(1, ceil(size_bytes(item) / _WRITE_BYTES))
