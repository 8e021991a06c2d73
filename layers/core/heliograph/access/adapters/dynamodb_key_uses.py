"""Amazon DynamoDB as `KeyUses`: counters and last uses, in a table that every function of the API may write to.

id (key)            `calls#<key's id>#<minute>`, or `used#<key's id>`
calls, expires_at   number of calls in that minute; deleted soon after (TTL)
used_at             time of the last use
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION = timedelta(minutes=10)
_MAX_BATCH = 100  # by BatchGetItem
_USED = "used#"


class DynamoDBKeyUses:
    """The uses of keys in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        """One atomic write."""
        with translated(key_id):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": f"calls#{key_id}#{at:%Y-%m-%dT%H:%M}"}},
                UpdateExpression="ADD calls :times SET expires_at = :soon",
                ExpressionAttributeValues={
                    ":times": {"N": str(times)},
                    ":soon": {"N": str(int((at + _RETENTION).timestamp()))},
                },
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["calls"]["N"])

    def record_use(self, key_id: str, at: datetime) -> None:
        """One write."""
        with translated(key_id):
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": _USED + key_id}},
                UpdateExpression="SET used_at = :at",
                ExpressionAttributeValues={":at": {"S": at.isoformat()}},
            )

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        """One read per hundred keys."""
        found: dict[str, datetime] = {}
        with translated("last uses"):
            wanted = [{"id": {"S": _USED + key_id}} for key_id in dict.fromkeys(key_ids)]
            while wanted:
                batch, wanted = wanted[:_MAX_BATCH], wanted[_MAX_BATCH:]
                answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": batch}})
                for item in answer["Responses"].get(self._table, []):
                    used_at = datetime.fromisoformat(item["used_at"]["S"])
                    found[item["id"]["S"].removeprefix(_USED)] = used_at
                if left := answer.get("UnprocessedKeys", {}).get(self._table):
                    wanted = [{"id": {"S": str(key["id"]["S"])}} for key in left["Keys"]] + wanted
        return found
