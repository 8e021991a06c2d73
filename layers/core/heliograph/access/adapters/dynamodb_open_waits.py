"""Amazon DynamoDB as `OpenWaits`: one item per key, in the table that counts its calls.

id (key)          `calls#<key's id>#waits`
wait#<wait's id>  end of that wait: one attribute per wait, so that one write adds or removes it
expires_at        some time after the last wait's end; DynamoDB deletes the item then (TTL)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_WAIT = "wait#"
# Longer than any wait: an earlier wait may end after the last one that began.
_RETENTION = timedelta(hours=1)
# Attributes that one update removes; the next call removes the rest.
_MAX_REMOVED = 50


class DynamoDBOpenWaits:
    """The open waits in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def begin(self, account: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One atomic write, and one more if there are waits that were never ended."""
        with translated("open waits"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_item(account),
                UpdateExpression="SET #wait = :until, expires_at = :later",
                ExpressionAttributeNames={"#wait": _WAIT + wait_id},
                ExpressionAttributeValues={
                    ":until": {"N": str(int(until.timestamp()))},
                    ":later": {"N": str(int((until + _RETENTION).timestamp()))},
                },
                ReturnValues="ALL_NEW",
            )
            expired = _expired(answer["Attributes"], now)
            if expired:
                self._remove(account, expired)
        return sum(name.startswith(_WAIT) for name in answer["Attributes"]) - len(expired)

    def end(self, account: str, wait_id: str) -> None:
        """One write."""
        with translated("open waits"):
            self._remove(account, [_WAIT + wait_id])

    def _remove(self, account: str, attributes: list[str]) -> None:
        names = {f"#w{index}": name for index, name in enumerate(attributes[:_MAX_REMOVED])}
        self._client.update_item(
            TableName=self._table,
            Key=_item(account),
            UpdateExpression=f"REMOVE {', '.join(names)}",
            ExpressionAttributeNames=names,
        )


def _expired(item: Mapping[str, AttributeValueTypeDef], now: datetime) -> list[str]:
    return [name for name, value in item.items() if name.startswith(_WAIT) and int(value["N"]) <= now.timestamp()]


def _item(account: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"calls#{account}#waits"}}
