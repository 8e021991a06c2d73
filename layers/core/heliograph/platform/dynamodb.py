"""Tables of Amazon DynamoDB: items as plain values, conditions as boto3 writes them, errors in our words.

An attribute is a text, a whole number, a `Decimal` (never a float, which DynamoDB has not), a truth value or a set of
texts. `None` and an empty set mean that the item has no such attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.pagination import Records
from heliograph.platform.aws_errors import Errors, code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

__all__ = ["Attribute", "Key", "Table", "record_of", "records_of", "sortable", "transact"]

Read = TypeVar("Read")
Value = str | int | Decimal | Set[str] | None
Attributes = Mapping[str, Value]
Returning = Literal["ALL_NEW", "UPDATED_NEW"]
Item = Mapping[str, Any]
"""An item that was read. Its attributes may be of any type: another release, or a person, may have written it."""

_CONDITION_FAILED = "ConditionalCheckFailedException"
_TRANSACTION_CANCELED = "TransactionCanceledException"
ERRORS = Errors(
    failure=StorageFailed,
    answers=frozenset({_CONDITION_FAILED, _TRANSACTION_CANCELED}),
    meanings={
        "IdempotentParameterMismatchException": "the token of another transaction was sent with it",
        "InternalServerError": "DynamoDB failed",
        "ItemCollectionSizeLimitExceededException": "the items of one partition are too large together",
        "ProvisionedThroughputExceededException": "the table or a partition of it is throttled",
        "ReplicatedWriteConflictException": "the item is being written in another Region",
        "RequestLimitExceeded": "the account's limit of requests is reached",
        "ResourceNotFoundException": "there is no such table or index",
        "ThrottlingException": "the account or the table is throttled",
        "TransactionConflictException": "a transaction has the item in hand",
        "TransactionInProgressException": "the same transaction is still being made",
    },
)

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class Attribute(Attr):
    """An attribute in a condition, by its whole name.

    boto3's own `Attr` reads `lane:acme.com` as a path: the attribute `com` of the map `lane:acme`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name.translate(_NO_PATH))


# What makes a path of a name, as characters that no name of ours has.
_NO_PATH = str.maketrans(".[]", "\ue000\ue001\ue002")
_AS_GIVEN = str.maketrans("\ue000\ue001\ue002", ".[]")


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `about` says what a call is for: it begins the message of an error.

    Several conditions must all hold. Every method is one request, except where it says otherwise.
    """

    client: DynamoDBClient
    name: str

    def get(self, key: Attributes, *, about: str) -> Item | None:
        """One consistent read."""
        with ERRORS.translated(about):
            answer = self.client.get_item(TableName=self.name, Key=_item(key), ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    def get_some(
        self, keys: Iterable[Attributes], *, is_consistent: bool, about: str
    ) -> tuple[Sequence[Item], Sequence[Attributes]]:
        """The items of these keys that DynamoDB returned, and the keys that it left for another request."""
        wanted: Any = {"Keys": [_item(key) for key in keys], **({"ConsistentRead": True} if is_consistent else {})}
        with ERRORS.translated(about):
            answer = self.client.batch_get_item(RequestItems={self.name: wanted})
        left = answer.get("UnprocessedKeys", {}).get(self.name, {"Keys": []})
        found = [_plain(item) for item in answer["Responses"].get(self.name, [])]
        return found, [_plain(key) for key in left["Keys"]]

    def put(self, item: Attributes, *, about: str) -> None:
        """Writes the whole item."""
        with ERRORS.translated(about):
            self.client.put_item(**self._put(item, ()))

    def put_if(self, item: Attributes, *conditions: ConditionBase, about: str) -> bool:
        """Writes the whole item. `False`, and nothing written, if the conditions don't hold."""
        with ERRORS.translated(about):
            try:
                self.client.put_item(**self._put(item, conditions))
            except ClientError as error:
                if code_of(error) == _CONDITION_FAILED:
                    return False
                raise
        return True

    def put_next_revision(self, item: Attributes, *, key: str, read: int | None, about: str) -> None:
        """Writes an item with a `revision` over the one that was `read`; `None`: where there is none.

        `key`: the name of an attribute of the key. Raises `StaleRecord` where something else lies there.
        """
        condition = Attribute(key).not_exists() if read is None else Attribute("revision").eq(read)
        if not self.put_if(item, condition, about=about):
            raise StaleRecord(about)

    def update(
        self,
        key: Attributes,
        *,
        assign: Attributes | None = None,
        add: Mapping[str, int] | None = None,
        returning: Returning | None = None,
        about: str,
    ) -> Item:
        """Assigns attributes (`None` removes one) and adds to others. Returns what `returning` names, afterwards."""
        request = self._update(key, (), assign or {}, add or {})
        with ERRORS.translated(about):
            answer = self.client.update_item(**request, **_returning(returning))
        return _plain(answer.get("Attributes", {}))

    def update_if(
        self,
        key: Attributes,
        *conditions: ConditionBase,
        assign: Attributes | None = None,
        add: Mapping[str, int] | None = None,
        returning: Returning | None = None,
        about: str,
    ) -> Item | None:
        """The same. `None`, and nothing written, if the conditions don't hold."""
        request = self._update(key, conditions, assign or {}, add or {})
        with ERRORS.translated(about):
            try:
                answer = self.client.update_item(**request, **_returning(returning))
            except ClientError as error:
                if code_of(error) == _CONDITION_FAILED:
                    return None
                raise
        return _plain(answer.get("Attributes", {}))

    def delete(self, key: Attributes, *, about: str) -> None:
        """Deletes the item, if there is one."""
        with ERRORS.translated(about):
            self.client.delete_item(TableName=self.name, Key=_item(key))

    def query(
        self,
        *key_conditions: ConditionBase,
        index: str | None = None,
        only: Sequence[ConditionBase] = (),
        start: Item | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        is_consistent: bool = False,
        about: str,
    ) -> ItemPage:
        """One page of a query: `limit` items at most are read, and those returned that all of `only` holds for."""
        expressions = _Expressions()
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": expressions.all_of(key_conditions, is_key=True),
            **({"FilterExpression": expressions.all_of(only)} if only else {}),
            **expressions.placeholders(),
            **({"IndexName": index} if index else {}),
            **({"ExclusiveStartKey": _item(start)} if start else {}),
            **({"Limit": limit} if limit else {}),
            **({"ScanIndexForward": False} if newest_first else {}),
            **({"ConsistentRead": True} if is_consistent else {}),
        }
        with ERRORS.translated(about):
            answer = self.client.query(**request)
        last = answer.get("LastEvaluatedKey")
        items = [_plain(item) for item in answer["Items"]]
        return ItemPage(items, answer["ScannedCount"], _plain(last) if last else None)

    def query_all(self, *key_conditions: ConditionBase, is_consistent: bool = False, about: str) -> Iterator[Item]:
        """All items of a query: a request for every page."""
        start: Item | None = None
        while True:
            page = self.query(*key_conditions, start=start, is_consistent=is_consistent, about=about)
            yield from page.items
            if page.last is None:
                return
            start = page.last

    def scan(self, *, about: str) -> Iterator[Item]:
        """All items of the table, read consistently: a request for every page."""
        with ERRORS.translated(about):
            for page in self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True):
                for item in page["Items"]:
                    yield _plain(item)

    def part_put(self, item: Attributes, *conditions: ConditionBase) -> TransactWriteItemTypeDef:
        """Part of a transaction: writes the whole item."""
        return {"Put": self._put(item, conditions)}  # type: ignore[typeddict-item]

    def part_update(
        self,
        key: Attributes,
        *conditions: ConditionBase,
        assign: Attributes | None = None,
        add: Mapping[str, int] | None = None,
    ) -> TransactWriteItemTypeDef:
        """Part of a transaction: assigns attributes and adds to others."""
        return {"Update": self._update(key, conditions, assign or {}, add or {})}  # type: ignore[typeddict-item]

    def part_check(self, key: Attributes, *conditions: ConditionBase) -> TransactWriteItemTypeDef:
        """Part of a transaction: nothing is written if the conditions don't hold for that item."""
        request = {"TableName": self.name, "Key": _item(key), **_conditional(_Expressions(), conditions)}
        return {"ConditionCheck": request}  # type: ignore[typeddict-item]

    def _put(self, item: Attributes, conditions: Sequence[ConditionBase]) -> dict[str, Any]:
        return {"TableName": self.name, "Item": _item(item), **_conditional(_Expressions(), conditions)}

    def _update(
        self, key: Attributes, conditions: Sequence[ConditionBase], assign: Attributes, add: Mapping[str, int]
    ) -> dict[str, Any]:
        expressions = _Expressions()
        change = expressions.change(assign, add)
        return {
            "TableName": self.name,
            "Key": _item(key),
            "UpdateExpression": change,
            **_conditional(expressions, conditions),
        }


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One page of a query."""

    items: Sequence[Item]

    scanned: int
    """How many items were read, also those that were filtered out."""

    last: Item | None
    """The key of the last item that was read; the next page begins after it. `None`: this page is the last."""


def transact(client: DynamoDBClient, parts: Sequence[TransactWriteItemTypeDef], *, about: str) -> Sequence[int]:
    """Makes a transaction of the parts. The numbers of the parts whose conditions don't hold; if none, all are written.

    Raises `StorageFailed` where it is canceled for anything else.
    """
    with ERRORS.translated(about):
        try:
            client.transact_write_items(TransactItems=parts)
        except ClientError as error:
            reasons = error.response.get("CancellationReasons", [])
            failed = [index for index, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]
            if not failed:
                raise
            return failed
    return ()


def sortable(at: datetime) -> str:
    """A text in the order of the times."""
    # Python leaves out microseconds that are none, and texts of two lengths don't sort by time.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def record_of(item: Item, read: Callable[[Item], Read], *, key: str) -> Read:
    """The record that `read` makes of an item, whose id is in the attribute `key`.

    Raises `StorageFailed` with the id, and with nothing that the record holds, where it makes none of it: the item is
    of another release, or was damaged.
    """
    try:
        return read(item)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        record_id = item[key]
        raise StorageFailed(f"{record_id}: its record can't be read", unreadable=record_id) from None


def records_of(items: Iterable[Item], read: Callable[[Item], Read], *, key: str) -> Records[Read]:
    """The records of several items; those of which `read` makes none are left out and named."""
    found: list[Read] = []
    unreadable: list[str] = []
    for item in items:
        try:
            found.append(record_of(item, read, key=key))
        except StorageFailed:
            unreadable.append(item[key])
    return Records(tuple(found), tuple(unreadable))


class _Expressions:
    """The expressions of one request, and the placeholders that they share."""

    def __init__(self) -> None:
        self._builder = ConditionExpressionBuilder()
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def all_of(self, conditions: Sequence[ConditionBase], *, is_key: bool = False) -> str:
        """One after the other: boto3's own `&` puts a pair of parentheses around every two of them."""
        built = [self._builder.build_expression(condition, is_key_condition=is_key) for condition in conditions]
        for one in built:
            names = one.attribute_name_placeholders
            self._names |= {placeholder: name.translate(_AS_GIVEN) for placeholder, name in names.items()}
            self._values |= one.attribute_value_placeholders
        return " AND ".join(one.condition_expression for one in built)

    def change(self, assign: Attributes, add: Mapping[str, int]) -> str:
        """An update expression."""
        kept = {name: value for name, value in assign.items() if not _is_absent(value)}
        assigned = [f"{self._name(name)} = {self._value(value)}" for name, value in kept.items()]
        removed = [self._name(name) for name in assign if name not in kept]
        added = [f"{self._name(name)} {self._value(value)}" for name, value in add.items()]
        clauses = {"SET": assigned, "REMOVE": removed, "ADD": added}
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)

    def placeholders(self) -> dict[str, Any]:
        """What the request says of them."""
        values = {placeholder: _serialize(value) for placeholder, value in self._values.items()}
        return {
            **({"ExpressionAttributeNames": self._names} if self._names else {}),
            **({"ExpressionAttributeValues": values} if values else {}),
        }

    def _name(self, name: str) -> str:
        placeholder = f"#a{len(self._names)}"
        self._names[placeholder] = name
        return placeholder

    def _value(self, value: Value) -> str:
        placeholder = f":a{len(self._values)}"
        self._values[placeholder] = value
        return placeholder


def _conditional(expressions: _Expressions, conditions: Sequence[ConditionBase]) -> dict[str, Any]:
    condition = {"ConditionExpression": expressions.all_of(conditions)} if conditions else {}
    return {**condition, **expressions.placeholders()}


def _returning(which: Returning | None) -> Any:
    return {"ReturnValues": which} if which else {}


def _item(attributes: Attributes) -> dict[str, Any]:
    """For the wire."""
    return {name: _serialize(value) for name, value in attributes.items() if not _is_absent(value)}


def _is_absent(value: Value) -> bool:
    return value is None or value == frozenset()


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """From the wire; boto3 makes a `Decimal` of every number."""
    return {name: _whole(_deserialize(cast("Any", value))) for name, value in item.items()}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
