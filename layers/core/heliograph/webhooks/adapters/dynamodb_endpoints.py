"""Amazon DynamoDB as an `EndpointStore`: one item per endpoint, written only if it has not changed meanwhile.

tenant (key) · endpoint_id (sort key) · revision
document            the record, as JSON
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.kernel.pagination import Records
from heliograph.platform.dynamodb import Attributes, Item, Key, Table, record_of, records_of
from heliograph.webhooks.endpoint import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBEndpointStore:
    """The endpoints in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """One consistent read."""
        item = self._table.get(_key(tenant, endpoint_id), about=endpoint_id)
        return record_of(item, _endpoint, key="endpoint_id") if item else None

    def list_for(self, tenant: str) -> Records[Endpoint]:
        """One query, page by page."""
        items = self._table.query_all(Key("tenant").eq(tenant), is_consistent=True, about="endpoints")
        return records_of(items, _endpoint, key="endpoint_id")

    def save(self, endpoint: Endpoint) -> Endpoint:
        """One conditional write: of two concurrent calls with the same revision, one wins."""
        changed = endpoint.model_copy(update={"revision": endpoint.revision + 1})
        self._table.put_next_revision(
            {
                **_key(endpoint.tenant, endpoint.endpoint_id),
                "revision": changed.revision,
                "document": changed.model_dump_json(),
            },
            key="endpoint_id",
            read=endpoint.revision or None,
            about=endpoint.endpoint_id,
        )
        return changed

    def delete(self, endpoint: Endpoint) -> None:
        """One write."""
        self._table.delete(_key(endpoint.tenant, endpoint.endpoint_id), about=endpoint.endpoint_id)


def _endpoint(item: Item) -> Endpoint:
    return Endpoint.model_validate_json(item["document"])


def _key(tenant: str, endpoint_id: str) -> Attributes:
    return {"tenant": tenant, "endpoint_id": endpoint_id}
