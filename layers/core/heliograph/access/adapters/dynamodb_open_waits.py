"""Amazon DynamoDB as `OpenWaits`: one item for each key, in the table that counts its calls.

id (key)          `calls#<key's id>#waits`
wait#<wait's id>  until when that wait counts: an attribute for each, so that one write adds or removes it
expires_at        deleted some time after the last of them (TTL)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attributes, Item, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_WAIT = "wait#"
# Longer than any wait: one that is still open may end after the last that began.
_KEPT = timedelta(hours=1)
# An update may name so many; what is left over is forgotten by the next.
_MOST_FORGOTTEN = 50
_ABOUT = "open waits"


class DynamoDBOpenWaits:
    """Open waits in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def begin(self, key: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One atomic write, and one more where somebody never ended theirs."""
        waits = self._table.update(
            _key(key),
            assign={_WAIT + wait_id: int(until.timestamp()), "expires_at": int((until + _KEPT).timestamp())},
            returning="ALL_NEW",
            about=_ABOUT,
        )
        over = _over(waits, now)
        if over:
            self._remove(key, over)
        return sum(name.startswith(_WAIT) for name in waits) - len(over)

    def end(self, key: str, wait_id: str) -> None:
        """One write."""
        self._remove(key, [_WAIT + wait_id])

    def _remove(self, key: str, attributes: list[str]) -> None:
        self._table.update(_key(key), assign=dict.fromkeys(attributes[:_MOST_FORGOTTEN]), about=_ABOUT)


def _over(item: Item, now: datetime) -> list[str]:
    return [name for name, until in item.items() if name.startswith(_WAIT) and until <= now.timestamp()]


def _key(key: str) -> Attributes:
    return {"id": f"calls#{key}#waits"}
