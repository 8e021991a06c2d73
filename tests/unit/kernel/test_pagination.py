"""Lists in slices: a cursor says where one ended, and nothing that is no cursor gets past the query."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT, Cursor, PageQuery, cursor_of, position_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

ID = derived_id("job", "x")
AT = "2026-11-22T10:00:00.123456+00:00"
moments = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - the bounds have none
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))]),
)


def encoded(told: Any) -> str:
    """As a cursor is."""
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


@given(moments, st.sampled_from(["job", "key", "batch"]), st.text())
def test_a_cursor_leads_back_to_its_position(at: datetime, prefix: str, name: str) -> None:
    position = Cursor(at, derived_id(prefix, name.encode(errors="replace").decode()))

    cursor = cursor_of(position)

    assert position_of(cursor) == position
    assert position_of(cursor).created_at.utcoffset() == timedelta(0)
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert PageQuery(cursor=cursor).after == position


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "夕暮れ",
        "====",
        encoded(None),
        encoded({}),
        encoded([AT]),
        encoded([AT, ID, ID]),
        encoded([ID, AT]),
        encoded([AT, None]),
        encoded([AT, 7]),
        encoded([AT, ["job"]]),
        encoded([AT, "job_x\n"]),
        encoded([AT, "#usage"]),
        encoded([AT, "job_" + "x" * 65]),
        encoded([1_795_341_600, ID]),
        encoded(["2026-11-22T10:00:00", ID]),
        encoded(["yesterday", ID]),
        # No UTC date names these.
        encoded(["0001-01-01T00:00:00+14:00", ID]),
        encoded(["9999-12-31T23:59:59-14:00", ID]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
    ],
)
def test_what_is_no_cursor_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match=r"is no (cursor of ours|date)"):
        position_of(cursor)
    with pytest.raises(ValidationError):
        PageQuery(cursor=cursor)


@given(st.text(max_size=600))
def test_no_text_breaks_the_reading_of_cursors(cursor: str) -> None:
    with suppress(ValidationError):
        PageQuery.model_validate({"cursor": cursor})


@pytest.mark.parametrize("limit", ["0", "-1", str(MAX_LIMIT + 1), "9" * 5000, "1.5", "all", ""])
def test_a_limit_is_a_number_within_bounds(limit: str) -> None:
    with pytest.raises(ValidationError):
        PageQuery.model_validate({"limit": limit})


def test_a_list_begins_at_its_newest_with_a_usual_number() -> None:
    query = PageQuery()

    assert (query.after, query.limit) == (None, DEFAULT_LIMIT)
    assert PageQuery.model_validate({"limit": str(MAX_LIMIT)}).limit == MAX_LIMIT
