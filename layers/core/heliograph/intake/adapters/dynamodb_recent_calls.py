"""Amazon DynamoDB as `RecentCalls`: one item for all calls that asked for the same, in the table of calls.

id (key)         `same#<digest>`
recent           the calls, as JSON; the condition of every write is what it was
expires_at       deleted some time after they are forgotten (TTL)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from heliograph.intake.recent_calls import REMEMBERED, Recent
from heliograph.platform.dynamodb import Attribute, Attributes, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RECENT: TypeAdapter[Recent] = TypeAdapter(Recent)
_ABOUT = "recent calls"


class DynamoDBRecentCalls:
    """Recent calls in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def look(self, digest: str) -> Recent:
        """One consistent read."""
        item = self._table.get(_key(digest), about=_ABOUT)
        return _RECENT.validate_json(item["recent"]) if item else ()

    def save(self, digest: str, before: Recent, after: Recent) -> bool:
        """One conditional write."""
        recent = Attribute("recent")
        expires_at = max(call.last_at for call in after) + REMEMBERED
        written = self._table.update_if(
            _key(digest),
            recent.eq(_json(before)) if before else recent.not_exists(),
            assign={"recent": _json(after), "expires_at": int(expires_at.timestamp())},
            about=_ABOUT,
        )
        return written is not None


def _key(digest: str) -> Attributes:
    return {"id": f"same#{digest}"}


def _json(recent: Recent) -> str:
    return _RECENT.dump_json(recent).decode()
