"""Amazon DynamoDB as an `EndpointStore`: one item per endpoint, written only if it has not changed meanwhile.

tenant (key) · endpoint_id (sort key) · revision
document            the record, as JSON
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from heliograph.kernel.pagination import Records
from heliograph.platform.dynamodb import put_next_revision, record_of, records_of, translated
from heliograph.webhooks.endpoint import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


class DynamoDBEndpointStore:
    """The endpoints in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """One consistent read."""
        with translated(endpoint_id):
            answer = self._client.get_item(TableName=self._table, Key=_key(tenant, endpoint_id), ConsistentRead=True)
        item = answer.get("Item")
        return record_of(item, _endpoint, key="endpoint_id") if item else None

    def list_for(self, tenant: str) -> Records[Endpoint]:
        """One query, page by page."""
        with translated("endpoints"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression="tenant = :tenant",
                ExpressionAttributeValues={":tenant": {"S": tenant}},
            )
            items = [item for page in pages for item in page["Items"]]
        return records_of(items, _endpoint, key="endpoint_id")

    def save(self, endpoint: Endpoint) -> Endpoint:
        """One conditional write: of two concurrent calls with the same revision, one wins."""
        changed = endpoint.model_copy(update={"revision": endpoint.revision + 1})
        item: dict[str, AttributeValueTypeDef] = {
            **_key(endpoint.tenant, endpoint.endpoint_id),
            "revision": {"N": str(changed.revision)},
            "document": {"S": changed.model_dump_json()},
        }
        put_next_revision(
            self._client,
            self._table,
            item,
            what=endpoint.endpoint_id,
            key="endpoint_id",
            read=endpoint.revision or None,
        )
        return changed

    def delete(self, endpoint: Endpoint) -> None:
        """One write."""
        with translated(endpoint.endpoint_id):
            self._client.delete_item(TableName=self._table, Key=_key(endpoint.tenant, endpoint.endpoint_id))


def _endpoint(item: Mapping[str, AttributeValueTypeDef]) -> Endpoint:
    return Endpoint.model_validate_json(item["document"]["S"])


def _key(tenant: str, endpoint_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"tenant": {"S": tenant}, "endpoint_id": {"S": endpoint_id}}
