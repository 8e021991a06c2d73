"""Amazon DynamoDB as `OpenWaits`: one item per key, in the table that counts its calls.

id (key)          `calls#<key's id>#waits`
wait#<wait's id>  end of that wait: one attribute per wait, so that one write adds or removes it
expires_at        some time after the last wait's end; DynamoDB deletes the item then (TTL)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attributes, Item, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_WAIT = "wait#"
# Longer than any wait: an earlier wait may end after the last one that began.
_RETENTION = timedelta(hours=1)
# Attributes that one update removes; the next call removes the rest.
_MAX_REMOVED = 50
_ABOUT = "open waits"


class DynamoDBOpenWaits:
    """The open waits in one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def begin(self, account: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One atomic write, and one more if there are waits that were never ended."""
        waits = self._table.update(
            _item_key(account),
            assign={_WAIT + wait_id: int(until.timestamp()), "expires_at": int((until + _RETENTION).timestamp())},
            returning="ALL_NEW",
            about=_ABOUT,
        )
        expired = _expired(waits, now)
        if expired:
            self._remove(account, expired)
        return sum(name.startswith(_WAIT) for name in waits) - len(expired)

    def end(self, account: str, wait_id: str) -> None:
        """One write."""
        self._remove(account, [_WAIT + wait_id])

    def _remove(self, account: str, attributes: list[str]) -> None:
        self._table.update(_item_key(account), assign=dict.fromkeys(attributes[:_MAX_REMOVED]), about=_ABOUT)


def _expired(item: Item, now: datetime) -> list[str]:
    return [name for name, until in item.items() if name.startswith(_WAIT) and until <= now.timestamp()]


def _item_key(account: str) -> Attributes:
    return {"id": f"calls#{account}#waits"}
