"""Amazon DynamoDB as a `KeyStore`: one item per key, in a table of credentials and nothing else.

id (key)            the key's id
document            the record, as JSON
revision            number of changes; the condition of every further change
revoked_at          present if the key is revoked; a new key is written only if its maker has none
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.access.keys import ApiKey
from heliograph.kernel.pagination import Records
from heliograph.platform.dynamodb import Attribute, Attributes, Item, Table, record_of, records_of, transact

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBKeyStore:
    """The API keys in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        """One write; with a maker, one transaction with a condition on the maker's item."""
        if maker is None:
            self.save(key)
            return True
        unrevoked = self._table.part_check(
            {"id": maker}, Attribute("document").exists(), Attribute("revoked_at").not_exists()
        )
        written = self._table.part_update(_id(key), assign=_attributes(key))
        return not transact(self._table.client, [unrevoked, written], about=key.key_id)

    def save(self, key: ApiKey) -> None:
        """One write."""
        self._table.update(_id(key), assign=_attributes(key), about=key.key_id)

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """One conditional write."""
        after = after.model_copy(update={"revision": before.revision + 1})
        revision = Attribute("revision")
        unchanged: ConditionBase = revision.eq(before.revision)
        if before.revision == 0:
            # A record that was never changed may be older than revisions.
            unchanged |= revision.not_exists()
        written = self._table.update_if(_id(after), unchanged, assign=_attributes(after), about=after.key_id)
        return written is not None

    def get(self, key_id: str) -> ApiKey | None:
        """One consistent read."""
        item = self._table.get({"id": key_id}, about=key_id)
        return record_of(item, _key, key="id") if item and _is_key_record(item) else None

    def scan(self) -> Records[ApiKey]:
        """A scan, page by page."""
        return records_of(filter(_is_key_record, self._table.scan(about="keys")), _key, key="id")


def _id(key: ApiKey) -> Attributes:
    return {"id": key.key_id}


def _attributes(key: ApiKey) -> Attributes:
    written: dict[str, str | int] = {
        "document": key.model_dump_json(exclude={"last_used_at"}),
        "revision": key.revision,
    }
    return {**written, "revoked_at": key.revoked_at.isoformat()} if key.revoked_at else written


def _is_key_record(item: Item) -> bool:
    return "document" in item


def _key(item: Item) -> ApiKey:
    return ApiKey.model_validate_json(item["document"])
