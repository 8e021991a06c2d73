"""Amazon DynamoDB as a `RejectionStore`: one item per rejected object, written once.

rejection_id (key)
tenant · rejected_at   the index `by-tenant`, newest last
kind · preset          what a list is narrowed down by
document               the whole record, as JSON
expires_at             DynamoDB deletes it then (TTL)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.intake.rejections import Rejection, RejectionQuery
from heliograph.kernel.pagination import Cursor, Page
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

BY_TENANT_INDEX = "by-tenant"
NARROWED_BY = ("kind", "preset")
# A list that is narrowed down may have to pass by much; it says then that there may be more.
_MOST_READ = 1000


class DynamoDBRejectionStore:
    """The rejections of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, rejection: Rejection) -> bool:
        """One conditional write."""
        with translated(rejection.rejection_id):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_item(rejection),
                    ConditionExpression="attribute_not_exists(rejection_id)",
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def list(self, tenant: str, query: RejectionQuery) -> Page[Rejection]:
        """Queries of the index, which lags behind the table by milliseconds; a thousand records at most."""
        found: list[Rejection] = []
        start = _start(tenant, query.after) if query.after else None
        read = 0
        while True:
            with translated("rejections"):
                answer = self._client.query(**self._question(tenant, query, start))
            for item in answer["Items"]:
                found.append(Rejection.model_validate_json(item["document"]["S"]))
                if len(found) > query.limit:
                    last = found[query.limit - 1]
                    return Page(tuple(found[: query.limit]), Cursor(last.rejected_at, last.rejection_id))
            start = answer.get("LastEvaluatedKey")
            read += answer["ScannedCount"]
            if start is None:
                return Page(tuple(found), None)
            if read >= _MOST_READ:
                return Page(tuple(found), _position(start))

    def _question(
        self, tenant: str, query: RejectionQuery, start: Mapping[str, AttributeValueTypeDef] | None
    ) -> dict[str, Any]:
        wanted = {name: str(value) for name in NARROWED_BY if (value := getattr(query, name)) is not None}
        question: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": BY_TENANT_INDEX,
            "KeyConditionExpression": "tenant = :tenant",
            "ExpressionAttributeValues": {
                ":tenant": {"S": tenant},
                **{f":{name}": {"S": value} for name, value in wanted.items()},
            },
            "ScanIndexForward": False,
            "Limit": _MOST_READ // 4 if wanted else query.limit + 1,
        }
        if wanted:
            question["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in wanted)
            question["ExpressionAttributeNames"] = {f"#{name}": name for name in wanted}
        return {**question, "ExclusiveStartKey": start} if start else question


def _item(rejection: Rejection) -> dict[str, AttributeValueTypeDef]:
    item: dict[str, AttributeValueTypeDef] = {
        "rejection_id": {"S": rejection.rejection_id},
        "tenant": {"S": rejection.tenant},
        "rejected_at": {"S": _sortable(rejection.rejected_at)},
        "kind": {"S": rejection.kind.value},
        "document": {"S": rejection.model_dump_json()},
        "expires_at": {"N": str(int(rejection.expires_at.timestamp()))},
    }
    if rejection.preset:
        item["preset"] = {"S": rejection.preset}
    return item


def _sortable(at: datetime) -> str:
    # Python leaves out microseconds that are none, and texts of two lengths don't sort by time.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _start(tenant: str, after: Cursor) -> dict[str, AttributeValueTypeDef]:
    return {
        "tenant": {"S": tenant},
        "rejected_at": {"S": _sortable(after.created_at)},
        "rejection_id": {"S": after.id},
    }


def _position(key: Mapping[str, Any]) -> Cursor:
    return Cursor(datetime.fromisoformat(key["rejected_at"]["S"]), key["rejection_id"]["S"])
