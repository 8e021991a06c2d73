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

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord
from heliograph.kernel.pagination import Cursor, Page
from heliograph.platform.dynamodb import Attribute, Attributes, Item, Key, Table, record_of, records_of, sortable
from heliograph.webhooks.delivery import Delivery, DeliveryQuery, DeliverySummary
from heliograph.webhooks.endpoint import JOB_URLS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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
        self._table = Table(client, table)

    def add(self, delivery: Delivery) -> bool:
        """One conditional write."""
        try:
            self._write(delivery, read=None)
        except StaleRecord:
            return False
        return True

    def get(self, delivery_id: str) -> Delivery | None:
        """One consistent read."""
        item = self._table.get(_key(delivery_id), about=delivery_id)
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
        start: Attributes | None = _start(tenant, query.after) if query.after else None
        narrowed = [
            Attribute(name).eq(str(value)) for name in NARROWED_BY if (value := getattr(query, name)) is not None
        ]
        read = 0
        while True:
            page = self._table.query(
                Key("tenant").eq(tenant),
                index=BY_TENANT_INDEX,
                only=narrowed,
                start=start,
                limit=_MAX_READ // 4 if narrowed else query.limit + 1,
                newest_first=True,
                about="deliveries",
            )
            for item in page.items:
                if len(found) == query.limit:
                    last = found[-1]
                    end = Cursor(last.created_at, last.delivery_id)
                    return Page(tuple(found), end, tuple(unreadable))
                summaries = records_of([item], _summary, key="delivery_id")
                found += summaries.readable
                unreadable += summaries.unreadable
            start = page.last
            read += page.scanned
            if start is None:
                return Page(tuple(found), None, tuple(unreadable))
            if read >= _MAX_READ:
                return Page(tuple(found), _position(start), tuple(unreadable))

    def undelivered(self, endpoint_id: str, since: datetime, *, limit: int) -> Sequence[str]:
        """One query of the index, whose items are so small that it holds thousands."""
        page = self._table.query(
            Key("endpoint_id").eq(endpoint_id),
            Key("undelivered_at").gte(sortable(since)),
            index=UNDELIVERED_INDEX,
            limit=limit,
            about="undelivered deliveries",
        )
        return [item["delivery_id"] for item in page.items]

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """One query per shard of the index."""
        found: list[tuple[int, str]] = []
        for shard in range(PENDING_SHARDS):
            page = self._table.query(
                Key("pending_shard").eq(str(shard)),
                Key("attention_at").lte(int(now.timestamp())),
                index=PENDING_INDEX,
                limit=limit,
                about="pending deliveries",
            )
            found += [(item["attention_at"], item["delivery_id"]) for item in page.items]
        return [delivery_id for _, delivery_id in sorted(found)[:limit]]

    def postpone_attention(self, delivery_id: str, until: datetime) -> None:
        """One conditional write, which the next `save` overwrites."""
        self._table.update_if(
            _key(delivery_id),
            Attribute("pending_shard").exists(),
            assign={"attention_at": int(until.timestamp())},
            about=delivery_id,
        )

    def _write(self, delivery: Delivery, *, read: int | None) -> None:
        self._table.put_next_revision(_item(delivery), key="delivery_id", read=read, about=delivery.delivery_id)


def _delivery(item: Item) -> Delivery:
    return Delivery.model_validate_json(item["document"])


def _summary(item: Item) -> DeliverySummary:
    return DeliverySummary.model_validate_json(item["summary"])


def _key(delivery_id: str) -> Attributes:
    return {"delivery_id": delivery_id}


def _item(delivery: Delivery) -> Attributes:
    attention_at = delivery.attention_at
    return {
        **_key(delivery.delivery_id),
        "revision": delivery.revision,
        "tenant": delivery.tenant,
        "created_at": sortable(delivery.created_at),
        "endpoint_id": delivery.endpoint_id or JOB_URLS,
        "status": delivery.status.value,
        "event_type": delivery.event_type,
        "summary": delivery.model_dump_json(include=set(DeliverySummary.model_fields)),
        "document": delivery.model_dump_json(),
        "expires_at": int(delivery.expires_at.timestamp()),
        "job_id": delivery.job_id or None,
        # Deliveries to jobs' own URLs can't be recovered: those of all tenants would share one key of the index.
        "undelivered_at": sortable(delivery.undelivered_at)
        if delivery.endpoint_id and delivery.undelivered_at
        else None,
        "pending_shard": str(ord(delivery.delivery_id[-1]) % PENDING_SHARDS) if attention_at else None,
        "attention_at": int(attention_at.timestamp()) if attention_at else None,
    }


def _start(tenant: str, after: Cursor) -> Attributes:
    return {"tenant": tenant, "created_at": sortable(after.created_at), "delivery_id": after.id}


def _position(key: Item) -> Cursor:
    return Cursor(datetime.fromisoformat(key["created_at"]), key["delivery_id"])
