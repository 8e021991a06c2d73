"""Lists, newest first, in slices: where one ends, a cursor says how to go on."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Generic, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from heliograph.kernel.patterns import Pattern
from heliograph.kernel.query_params import QUERY_INTEGER

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
_ID = re.compile(r"[a-z]+_[a-z0-9]{1,64}")

Listed = TypeVar("Listed")


class Cursor(NamedTuple):
    """Sort key of the last item returned; the next page continues after it."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    """Some of a list; `end` where there is (or may be) more. `unreadable`: ids of its records that can't be read."""

    items: tuple[Listed, ...]
    end: Cursor | None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Records(Generic[Listed]):
    """All records of a kind, in no order: those that can be read, and the ids of those that can't."""

    readable: tuple[Listed, ...]
    unreadable: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Listed]:
        return iter(self.readable)


def cursor_of(position: Cursor) -> str:
    """The position as an opaque word for URLs. It opens nothing: whoever lists sees only their own."""
    told = json.dumps([position.created_at.isoformat(), position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def position_of(cursor: str) -> Cursor:
    """Raises `ValueError` for what is no cursor of ours."""
    try:
        padding = "=" * (-len(cursor) % 4)
        created_at, found = json.loads(base64.b64decode(cursor + padding, altchars=b"-_", validate=True))
        at = datetime.fromisoformat(created_at)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ValueError("is no cursor of ours") from None
    if at.tzinfo is None or not isinstance(found, str) or not _ID.fullmatch(found):
        raise ValueError("is no cursor of ours")
    return Cursor(in_utc(at), found)


def in_utc(at: datetime) -> datetime:
    """The same moment. Raises `ValueError` for one that no UTC date can name: before the year 1, or after 9999."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is no date") from None


def _is_a_cursor(cursor: str) -> str:
    position_of(cursor)
    return cursor


class PageQuery(BaseModel):
    """Query parameters of every list."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most."), QUERY_INTEGER] = DEFAULT_LIMIT
    cursor: Annotated[
        Annotated[str, Pattern("[A-Za-z0-9_-]+", "is no cursor of ours")] | None,
        Field(max_length=512, description="`next_cursor` of the slice before."),
        AfterValidator(lambda cursor: cursor if cursor is None else _is_a_cursor(cursor)),
    ] = None

    @property
    def after(self) -> Cursor | None:
        """Cursor of the page before."""
        return position_of(self.cursor) if self.cursor else None
