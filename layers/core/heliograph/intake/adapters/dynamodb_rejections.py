"""Amazon DynamoDB as a `RejectionStore`: one item per rejected object, written once.

rejection_id (key)
tenant · rejected_at   the index `by-tenant`, newest last
kind · preset          what a list is narrowed down by
document               the whole record, as JSON
expires_at             DynamoDB deletes it then (TTL)
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.intake.rejections import Rejection, RejectionQuery
from heliograph.kernel.pagination import Cursor, Page
from heliograph.platform.dynamodb import Attribute, Attributes, Item, Key, Table, sortable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_TENANT_INDEX = "by-tenant"
NARROWED_BY = ("kind", "preset")
# A list that is narrowed down may have to pass by much; it says then that there may be more.
_MOST_READ = 1000


class DynamoDBRejectionStore:
    """The rejections of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def add(self, rejection: Rejection) -> bool:
        """One conditional write."""
        is_new = Attribute("rejection_id").not_exists()
        return self._table.put_if(_item(rejection), is_new, about=rejection.rejection_id)

    def list(self, tenant: str, query: RejectionQuery) -> Page[Rejection]:
        """Queries of the index, which lags behind the table by milliseconds; a thousand records at most."""
        found: list[Rejection] = []
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
                limit=_MOST_READ // 4 if narrowed else query.limit + 1,
                newest_first=True,
                about="rejections",
            )
            for item in page.items:
                found.append(Rejection.model_validate_json(item["document"]))
                if len(found) > query.limit:
                    last = found[query.limit - 1]
                    return Page(tuple(found[: query.limit]), Cursor(last.rejected_at, last.rejection_id))
            start = page.last
            read += page.scanned
            if start is None:
                return Page(tuple(found), None)
            if read >= _MOST_READ:
                return Page(tuple(found), _position(start))


def _item(rejection: Rejection) -> Attributes:
    return {
        "rejection_id": rejection.rejection_id,
        "tenant": rejection.tenant,
        "rejected_at": sortable(rejection.rejected_at),
        "kind": rejection.kind.value,
        "document": rejection.model_dump_json(),
        "expires_at": int(rejection.expires_at.timestamp()),
        "preset": rejection.preset or None,
    }


def _start(tenant: str, after: Cursor) -> Attributes:
    return {"tenant": tenant, "rejected_at": sortable(after.created_at), "rejection_id": after.id}


def _position(key: Item) -> Cursor:
    return Cursor(datetime.fromisoformat(key["rejected_at"]), key["rejection_id"])
