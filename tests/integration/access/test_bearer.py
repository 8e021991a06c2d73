"""Which `Authorization` headers open the API."""

from __future__ import annotations

import pytest
from heliograph.api.bearer import bearer_of

KEY = "s3cretKey"


@pytest.mark.parametrize("header", ["Bearer s3cretKey", "bearer s3cretKey", "BEARER s3cretKey", "Bearer  s3cretKey "])
def test_the_key_behind_its_scheme_is_right(header: str) -> None:
    assert bearer_of(header) == KEY


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
    assert bearer_of(header) != KEY
