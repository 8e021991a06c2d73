"""Amazon DynamoDB as `Pace`: one item per rate-limited action, in the table of calls.

id (key)               `pace#<action>`
taken_at, expires_at   time of the last permit, in microseconds; deleted soon after (TTL)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attribute, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION = timedelta(minutes=10)


class DynamoDBPace:
    """The rate limits in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def take(self, action: str, at: datetime, *, every: timedelta) -> bool:
        """One conditional write."""
        taken_at = Attribute("taken_at")
        written = self._table.update_if(
            {"id": f"pace#{action}"},
            taken_at.not_exists() | taken_at.lte(_us(at - every)),
            assign={"taken_at": _us(at), "expires_at": int((at + _RETENTION).timestamp())},
            about=action,
        )
        return written is not None


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
