"""Amazon DynamoDB as a `KeyStore`: one item per key, and one per key and minute that counts its calls.

id (key)            the key's id; or `calls#<key's id>#<minute>`
document            the record, as JSON
last_used_at        apart, because it is written without reading the rest
calls, expires_at   how often the key was used in that minute; deleted soon after (TTL)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.adapters.dynamodb_calls import record_of, records_of, translated
from heliograph.domain.keys import ApiKey
from heliograph.domain.listing import Records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_KEPT = timedelta(minutes=10)


class DynamoDBKeyStore:
    """The keys of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def save(self, key: ApiKey) -> None:
        """One write."""
        with translated(key.key_id):
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": key.key_id}},
                UpdateExpression="SET document = :document",
                ExpressionAttributeValues={":document": {"S": key.model_dump_json(exclude={"last_used_at"})}},
            )

    def get(self, key_id: str) -> ApiKey | None:
        """One consistent read."""
        with translated(key_id):
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": key_id}}, ConsistentRead=True)
        item = answer.get("Item", {})
        return record_of(item, _key, key="id") if _is_a_key(item) else None

    def every(self) -> Records[ApiKey]:
        """A scan, page by page."""
        with translated("keys"):
            pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
            items = [item for page in pages for item in page["Items"] if _is_a_key(item)]
        return records_of(items, _key, key="id")

    def note_use(self, key_id: str, at: datetime) -> None:
        """One write."""
        with translated(key_id):
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": key_id}},
                UpdateExpression="SET last_used_at = :at",
                ExpressionAttributeValues={":at": {"S": at.isoformat()}},
            )

    def count_call(self, key_id: str, at: datetime) -> int:
        """One atomic write."""
        with translated(key_id):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": f"calls#{key_id}#{at:%Y-%m-%dT%H:%M}"}},
                UpdateExpression="ADD calls :one SET expires_at = :soon",
                ExpressionAttributeValues={":one": {"N": "1"}, ":soon": {"N": str(int((at + _KEPT).timestamp()))}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["calls"]["N"])


def _is_a_key(item: Mapping[str, AttributeValueTypeDef]) -> bool:
    return "document" in item


def _key(item: Mapping[str, AttributeValueTypeDef]) -> ApiKey:
    key = ApiKey.model_validate_json(item["document"]["S"])
    used = item.get("last_used_at")
    return key.model_copy(update={"last_used_at": datetime.fromisoformat(used["S"])}) if used else key
