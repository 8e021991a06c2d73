"""Amazon DynamoDB as a `DeliveryStore`: one item per delivery, written only if it has not changed meanwhile.

delivery_id (key) · revision
tenant · created_at                            the index `by-tenant`, newest last
endpoint_id · status · event_type · job_id     filters of lists; in the index as well
summary                                        `DeliverySummary`, as JSON; in the index as well
document                                       the record, as JSON
endpoint_id, undelivered_at                    if it failed or was skipped: the index `undelivered`
pending_shard, attention_at                    while it is pending: the index `pending`
expires_at                                     time at which DynamoDB deletes it (TTL)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.kernel.errors import StaleRecord
from heliograph.kernel.pagination import Cursor, Page
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, put_next_revision, record_of, records_of, translated
from heliograph.webhooks.delivery import Delivery, DeliveryQuery, DeliverySummary
from heliograph.webhooks.endpoint import JOB_URLS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

BY_TENANT_INDEX = "by-tenant"
PENDING_INDEX = "pending"
UNDELIVERED_INDEX = "undelivered"
# Each shard costs the sweep a query; a partition of the index takes 1,000 writes a second.
PENDING_SHARDS = 2
NARROWED_BY = ("endpoint_id", "status", "event_type", "job_id")
# Items that a filtered list reads at most; its page then has a cursor even if no more items match.
_MAX_READ = 1000


class DynamoDBDeliveryStore:
    """The deliveries in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """One conditional write."""
        try:
            self._write(delivery, read=None)
        except StaleRecord:
            return False
        return True

    def get(self, delivery_id: str) -> Delivery | None:
        """One consistent read."""
        with translated(delivery_id):
            answer = self._client.get_item(
                TableName=self._table, Key={"delivery_id": {"S": delivery_id}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return record_of(item, _delivery, key="delivery_id") if item else None

    def save(self, delivery: Delivery) -> Delivery:
        """One conditional write: of two concurrent calls with the same revision, one wins."""
        changed = delivery.model_copy(update={"revision": delivery.revision + 1})
        self._write(changed, read=delivery.revision)
        return changed

    def list(self, tenant: str, query: DeliveryQuery) -> Page[DeliverySummary]:
        """Queries of the index, which lags behind the table by milliseconds; a thousand records at most."""
        found: list[DeliverySummary] = []
        unreadable: list[str] = []
        start = _start(tenant, query.after) if query.after else None
        read = 0
        while True:
            with translated("deliveries"):
                answer = self._client.query(**self._query(tenant, query, start))
            for item in answer["Items"]:
                if len(found) == query.limit:
                    last = found[-1]
                    end = Cursor(last.created_at, last.delivery_id)
                    return Page(tuple(found), end, tuple(unreadable))
                summaries = records_of([item], _summary, key="delivery_id")
                found += summaries.readable
                unreadable += summaries.unreadable
            start = answer.get("LastEvaluatedKey")
            read += answer["ScannedCount"]
            if start is None:
                return Page(tuple(found), None, tuple(unreadable))
            if read >= _MAX_READ:
                return Page(tuple(found), _position(start), tuple(unreadable))

    def undelivered(self, endpoint_id: str, since: datetime, *, limit: int) -> Sequence[str]:
        """One query of the index, whose items are so small that it holds thousands."""
        with translated("undelivered deliveries"):
            answer = self._client.query(
                TableName=self._table,
                IndexName=UNDELIVERED_INDEX,
                KeyConditionExpression="endpoint_id = :endpoint AND undelivered_at >= :since",
                ExpressionAttributeValues={":endpoint": {"S": endpoint_id}, ":since": {"S": _sortable(since)}},
                Limit=limit,
            )
        return [item["delivery_id"]["S"] for item in answer["Items"]]

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """One query per shard of the index."""
        found: list[tuple[int, str]] = []
        with translated("pending deliveries"):
            for shard in range(PENDING_SHARDS):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=PENDING_INDEX,
                    KeyConditionExpression="pending_shard = :shard AND attention_at <= :now",
                    ExpressionAttributeValues={
                        ":shard": {"S": str(shard)},
                        ":now": {"N": str(int(now.timestamp()))},
                    },
                    Limit=limit,
                )
                found += [(int(item["attention_at"]["N"]), item["delivery_id"]["S"]) for item in answer["Items"]]
        return [delivery_id for _, delivery_id in sorted(found)[:limit]]

    def postpone_attention(self, delivery_id: str, until: datetime) -> None:
        """One conditional write, which the next `save` overwrites."""
        with translated(delivery_id):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"delivery_id": {"S": delivery_id}},
                    UpdateExpression="SET attention_at = :until",
                    ConditionExpression="attribute_exists(pending_shard)",
                    ExpressionAttributeValues={":until": {"N": str(int(until.timestamp()))}},
                )
            except ClientError as error:
                if code_of(error) != CONDITION_FAILED:
                    raise

    def _query(
        self, tenant: str, query: DeliveryQuery, start: Mapping[str, AttributeValueTypeDef] | None
    ) -> dict[str, Any]:
        wanted = {name: str(value) for name in NARROWED_BY if (value := getattr(query, name)) is not None}
        filters = " AND ".join(f"#{name} = :{name}" for name in wanted)
        return {
            "TableName": self._table,
            "IndexName": BY_TENANT_INDEX,
            "KeyConditionExpression": "tenant = :tenant",
            "ExpressionAttributeValues": {
                ":tenant": {"S": tenant},
                **{f":{name}": {"S": value} for name, value in wanted.items()},
            },
            "ScanIndexForward": False,
            "Limit": _MAX_READ // 4 if wanted else query.limit + 1,
            **(
                {"FilterExpression": filters, "ExpressionAttributeNames": {f"#{name}": name for name in wanted}}
                if wanted
                else {}
            ),
            **({"ExclusiveStartKey": start} if start else {}),
        }

    def _write(self, delivery: Delivery, *, read: int | None) -> None:
        put_next_revision(
            self._client, self._table, _item(delivery), what=delivery.delivery_id, key="delivery_id", read=read
        )


def _delivery(item: Mapping[str, Any]) -> Delivery:
    return Delivery.model_validate_json(item["document"]["S"])


def _summary(item: Mapping[str, Any]) -> DeliverySummary:
    return DeliverySummary.model_validate_json(item["summary"]["S"])


def _item(delivery: Delivery) -> dict[str, AttributeValueTypeDef]:
    summary = delivery.model_dump_json(include=set(DeliverySummary.model_fields))
    item: dict[str, AttributeValueTypeDef] = {
        "delivery_id": {"S": delivery.delivery_id},
        "revision": {"N": str(delivery.revision)},
        "tenant": {"S": delivery.tenant},
        "created_at": {"S": _sortable(delivery.created_at)},
        "endpoint_id": {"S": delivery.endpoint_id or JOB_URLS},
        "status": {"S": delivery.status.value},
        "event_type": {"S": delivery.event_type},
        "summary": {"S": summary},
        "document": {"S": delivery.model_dump_json()},
        "expires_at": {"N": str(int(delivery.expires_at.timestamp()))},
    }
    if delivery.job_id:
        item["job_id"] = {"S": delivery.job_id}
    # Of URLs that were given with jobs there is nothing to recover: all tenants' would lie together.
    if delivery.endpoint_id and delivery.undelivered_at:
        item["undelivered_at"] = {"S": _sortable(delivery.undelivered_at)}
    if delivery.attention_at:
        item["pending_shard"] = {"S": str(ord(delivery.delivery_id[-1]) % PENDING_SHARDS)}
        item["attention_at"] = {"N": str(int(delivery.attention_at.timestamp()))}
    return item


def _sortable(at: datetime) -> str:
    # Python leaves out microseconds that are none, and texts of two lengths don't sort by time.
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _start(tenant: str, after: Cursor) -> dict[str, AttributeValueTypeDef]:
    return {
        "tenant": {"S": tenant},
        "created_at": {"S": _sortable(after.created_at)},
        "delivery_id": {"S": after.id},
    }


def _position(key: Mapping[str, Any]) -> Cursor:
    return Cursor(datetime.fromisoformat(key["created_at"]["S"]), key["delivery_id"]["S"])
