"""Amazon DynamoDB as `Throttle`: one item for each thing that may be done only so often, in the table of calls.

id (key)               `pace#<what>`
taken_at, expires_at   when it was done last, in microseconds; deleted soon after (TTL)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(minutes=10)


class DynamoDBPace:
    """Paces in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, what: str, at: datetime, *, every: timedelta) -> bool:
        """One conditional write, which writes nothing where it is too soon."""
        with translated(what):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": f"pace#{what}"}},
                    UpdateExpression="SET taken_at = :now, expires_at = :soon",
                    ConditionExpression="attribute_not_exists(taken_at) OR taken_at <= :before",
                    ExpressionAttributeValues={
                        ":now": {"N": str(_us(at))},
                        ":before": {"N": str(_us(at - every))},
                        ":soon": {"N": str(int((at + _KEPT).timestamp()))},
                    },
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
