"""Amazon DynamoDB: errors, conditional writes, and records of items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.pagination import Records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Read = TypeVar("Read")

CONDITION_FAILED = "ConditionalCheckFailedException"


def code_of(error: ClientError) -> str:
    """Code of the error."""
    return error.response.get("Error", {}).get("Code", "")


def failed_conditions(error: ClientError) -> list[int]:
    """Indexes of the items of a canceled transaction whose conditions failed."""
    reasons = error.response.get("CancellationReasons", [])
    return [index for index, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]


def running_key(route: str, tenant: str | None = None) -> str:
    """Key of the item that counts a route's running tasks, or those of one tenant.

    Not the route's own item: transactions would conflict with its queue.
    """
    return f"{route}#running" if tenant is None else f"{route}#running#{tenant}"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises AWS's errors as `StorageFailed`, which names `what`."""
    try:
        yield
    except ClientError as error:
        raise StorageFailed(f"{what}: {code_of(error)}") from error
    except BotoCoreError as error:
        raise StorageFailed(f"{what}: {type(error).__name__}") from error


def put_next_revision(
    client: DynamoDBClient, table: str, item: dict[str, AttributeValueTypeDef], *, what: str, key: str, read: int | None
) -> None:
    """Writes an item with a `revision`, if the stored item still has the revision `read` (`None`: if there is none).

    Raises `StaleRecord` if the stored item is another.
    """
    new: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({key})"}
    over: dict[str, Any] = {
        "ConditionExpression": "revision = :read",
        "ExpressionAttributeValues": {":read": {"N": str(read)}},
    }
    with translated(what):
        try:
            client.put_item(TableName=table, Item=item, **(new if read is None else over))
        except ClientError as error:
            if code_of(error) == CONDITION_FAILED:
                raise StaleRecord(what) from error
            raise


def record_of(item: Mapping[str, AttributeValueTypeDef], read: Callable[[Any], Read], *, key: str) -> Read:
    """The record that `read` makes of an item, whose id is in the attribute `key`.

    Raises `StorageFailed` if `read` fails: the item is of another release, or was damaged. The error names the id and
    nothing else of the record.
    """
    try:
        return read(item)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        record_id = item[key]["S"]
        raise StorageFailed(f"{record_id}: its record can't be read", unreadable=record_id) from None


def records_of(
    items: Iterable[Mapping[str, AttributeValueTypeDef]], read: Callable[[Any], Read], *, key: str
) -> Records[Read]:
    """Records of several items; unreadable items are left out and named."""
    found: list[Read] = []
    unreadable: list[str] = []
    for item in items:
        try:
            found.append(record_of(item, read, key=key))
        except StorageFailed:
            unreadable.append(item[key]["S"])
    return Records(tuple(found), tuple(unreadable))
