"""Amazon DynamoDB as a `KeyStore`: one item per key, in a table of credentials and nothing else.

id (key)            the key's id
document            the record, as JSON
revision            number of changes; the condition of every further change
revoked_at          present if the key is revoked; a new key is written only if its maker has none
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.access.keys import ApiKey
from heliograph.kernel.pagination import Records
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, failed_conditions, record_of, records_of, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


class DynamoDBKeyStore:
    """The API keys in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        """One write; with a maker, one transaction with a condition on the maker's item."""
        if maker is None:
            self.save(key)
            return True
        unrevoked = {
            "TableName": self._table,
            "Key": {"id": {"S": maker}},
            "ConditionExpression": "attribute_exists(document) AND attribute_not_exists(revoked_at)",
        }
        with translated(key.key_id):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": unrevoked}, {"Update": self._update(key)}]  # type: ignore[typeddict-item]
                )
            except ClientError as error:
                if failed_conditions(error) == [0]:
                    return False
                raise
        return True

    def save(self, key: ApiKey) -> None:
        """One write."""
        with translated(key.key_id):
            self._client.update_item(**self._update(key))

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """One conditional write."""
        update = self._update(after.model_copy(update={"revision": before.revision + 1}))
        # A record that was never changed may be older than revisions.
        update["ConditionExpression"] = "revision = :before" + (
            "" if before.revision else " OR attribute_not_exists(revision)"
        )
        update["ExpressionAttributeValues"][":before"] = {"N": str(before.revision)}
        with translated(after.key_id):
            try:
                self._client.update_item(**update)
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def get(self, key_id: str) -> ApiKey | None:
        """One consistent read."""
        with translated(key_id):
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": key_id}}, ConsistentRead=True)
        item = answer.get("Item", {})
        return record_of(item, _key, key="id") if _is_key_record(item) else None

    def scan(self) -> Records[ApiKey]:
        """A scan, page by page."""
        with translated("keys"):
            pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
            items = [item for page in pages for item in page["Items"] if _is_key_record(item)]
        return records_of(items, _key, key="id")

    def _update(self, key: ApiKey) -> dict[str, Any]:
        values = {
            ":document": {"S": key.model_dump_json(exclude={"last_used_at"})},
            ":revision": {"N": str(key.revision)},
        }
        if key.revoked_at:
            values[":revoked_at"] = {"S": key.revoked_at.isoformat()}
        return {
            "TableName": self._table,
            "Key": {"id": {"S": key.key_id}},
            "UpdateExpression": "SET " + ", ".join(f"{name[1:]} = {name}" for name in values),
            "ExpressionAttributeValues": values,
        }


def _is_key_record(item: Mapping[str, AttributeValueTypeDef]) -> bool:
    return "document" in item


def _key(item: Mapping[str, AttributeValueTypeDef]) -> ApiKey:
    return ApiKey.model_validate_json(item["document"]["S"])
