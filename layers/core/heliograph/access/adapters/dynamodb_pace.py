"""Amazon DynamoDB as `Throttle`: one item for each thing that may be done only so often, in the table of calls.

id (key)               `pace#<what>`
taken_at, expires_at   when it was done last, in microseconds; deleted soon after (TTL)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attribute, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(minutes=10)


class DynamoDBPace:
    """Paces in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def take(self, what: str, at: datetime, *, every: timedelta) -> bool:
        """One conditional write, which writes nothing where it is too soon."""
        taken_at = Attribute("taken_at")
        written = self._table.update_if(
            {"id": f"pace#{what}"},
            taken_at.not_exists() | taken_at.lte(_us(at - every)),
            assign={"taken_at": _us(at), "expires_at": int((at + _KEPT).timestamp())},
            about=what,
        )
        return written is not None


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
