"""Amazon DynamoDB as `RecentCalls`: one item for all calls that asked for the same, in the table of calls.

id (key)         `same#<digest>`
recent           the calls, as JSON; the condition of every write is what it was
expires_at       deleted some time after they are forgotten (TTL)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from heliograph.intake.recent_calls import REMEMBERED, Recent
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RECENT: TypeAdapter[Recent] = TypeAdapter(Recent)


class DynamoDBRecentCalls:
    """Recent calls in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def look(self, digest: str) -> Recent:
        """One consistent read."""
        with translated("recent calls"):
            answer = self._client.get_item(TableName=self._table, Key=_key(digest), ConsistentRead=True)
        return _RECENT.validate_json(answer["Item"]["recent"]["S"]) if "Item" in answer else ()

    def save(self, digest: str, before: Recent, after: Recent) -> bool:
        """One conditional write."""
        expires_at = max(call.last_at for call in after) + REMEMBERED
        with translated("recent calls"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(digest),
                    UpdateExpression="SET recent = :after, expires_at = :expires_at",
                    ConditionExpression="recent = :before" if before else "attribute_not_exists(recent)",
                    ExpressionAttributeValues={
                        ":after": {"S": _json(after)},
                        ":expires_at": {"N": str(int(expires_at.timestamp()))},
                        **({":before": {"S": _json(before)}} if before else {}),
                    },
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True


def _key(digest: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"same#{digest}"}}


def _json(recent: Recent) -> str:
    return _RECENT.dump_json(recent).decode()
