"""Amazon DynamoDB as `OpenWaits`: one item for each key, in the table that counts its calls.

id (key)          `calls#<key's id>#waits`
wait#<wait's id>  until when that wait counts: an attribute for each, so that one write adds or removes it
expires_at        deleted some time after the last of them (TTL)
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
# Longer than any wait: one that is still open may end after the last that began.
_KEPT = timedelta(hours=1)
# An update may name so many; what is left over is forgotten by the next.
_MOST_FORGOTTEN = 50


class DynamoDBOpenWaits:
    """Open waits in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def begin(self, key: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One atomic write, and one more where somebody never ended theirs."""
        with translated("open waits"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_item(key),
                UpdateExpression="SET #wait = :until, expires_at = :later",
                ExpressionAttributeNames={"#wait": _WAIT + wait_id},
                ExpressionAttributeValues={
                    ":until": {"N": str(int(until.timestamp()))},
                    ":later": {"N": str(int((until + _KEPT).timestamp()))},
                },
                ReturnValues="ALL_NEW",
            )
            over = _over(answer["Attributes"], now)
            if over:
                self._remove(key, over)
        return sum(name.startswith(_WAIT) for name in answer["Attributes"]) - len(over)

    def end(self, key: str, wait_id: str) -> None:
        """One write."""
        with translated("open waits"):
            self._remove(key, [_WAIT + wait_id])

    def _remove(self, key: str, attributes: list[str]) -> None:
        names = {f"#w{index}": name for index, name in enumerate(attributes[:_MOST_FORGOTTEN])}
        self._client.update_item(
            TableName=self._table,
            Key=_item(key),
            UpdateExpression=f"REMOVE {', '.join(names)}",
            ExpressionAttributeNames=names,
        )


def _over(item: Mapping[str, AttributeValueTypeDef], now: datetime) -> list[str]:
    return [name for name, value in item.items() if name.startswith(_WAIT) and int(value["N"]) <= now.timestamp()]


def _item(key: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"calls#{key}#waits"}}
