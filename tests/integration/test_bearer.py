"""Which `Authorization` headers open the API."""

from __future__ import annotations

import pytest
from heliograph.runtime.bearer import is_right

KEY = "s3cretKey"


@pytest.mark.parametrize("header", ["Bearer s3cretKey", "bearer s3cretKey", "BEARER s3cretKey", "Bearer  s3cretKey "])
def test_the_key_behind_its_scheme_is_right(header: str) -> None:
    assert is_right(header, KEY)


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "s3cretKey",
        "Basic s3cretKey",
        "Bearers3cretKey",
        "Bearer s3cretKe",
        "Bearer s3cretKeyy",
        "Bearer S3CRETKEY",
        "Bearer s3cret Key",
        "Bearer s3cretKey, Bearer x",
        "Bearer: s3cretKey",
        "Bearer\ts3cretKey",
        "Bearer schlüssel🔑",
        "Bearer \x00",
    ],
)
def test_anything_else_is_wrong(header: str) -> None:
    assert not is_right(header, KEY)


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", "", "Bearer x"])
def test_a_key_that_was_never_set_opens_nothing(header: str) -> None:
    assert not is_right(header, "")
