"""Amazon DynamoDB as `KeyUses`: counters and last uses, in a table that every function of the API may write to.

id (key)            `calls#<key's id>#<minute>`, or `used#<key's id>`
calls, expires_at   number of calls in that minute; deleted soon after (TTL)
used_at             time of the last use
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attributes, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION = timedelta(minutes=10)
_MAX_BATCH = 100  # by BatchGetItem
_USED = "used#"


class DynamoDBKeyUses:
    """The uses of keys in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        """One atomic write."""
        counted = self._table.update(
            {"id": f"calls#{key_id}#{at:%Y-%m-%dT%H:%M}"},
            assign={"expires_at": int((at + _RETENTION).timestamp())},
            add={"calls": times},
            returning="UPDATED_NEW",
            about=key_id,
        )
        return int(counted["calls"])

    def record_use(self, key_id: str, at: datetime) -> None:
        """One write."""
        self._table.update({"id": _USED + key_id}, assign={"used_at": at.isoformat()}, about=key_id)

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        """One read per hundred keys."""
        found: dict[str, datetime] = {}
        wanted: list[Attributes] = [{"id": _USED + key_id} for key_id in dict.fromkeys(key_ids)]
        while wanted:
            batch, wanted = wanted[:_MAX_BATCH], wanted[_MAX_BATCH:]
            items, left = self._table.get_some(batch, is_consistent=False, about="last uses")
            for item in items:
                found[item["id"].removeprefix(_USED)] = datetime.fromisoformat(item["used_at"])
            wanted = [*left, *wanted]
        return found
