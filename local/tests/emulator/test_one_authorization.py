"""A signed link takes no second authorization, as at S3."""

from __future__ import annotations

import httpx
import pytest

from .conftest import RunningEmulator


@pytest.fixture
def link(emulator: RunningEmulator) -> str:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="linked")
    s3.put_object(Bucket="linked", Key="a.png", Body=b"an image")
    return str(s3.generate_presigned_url("get_object", Params={"Bucket": "linked", "Key": "a.png"}, ExpiresIn=60))


@pytest.mark.parametrize("header", ["Bearer hg_key", "Token x", "Basic eA=="])
def test_a_signed_link_with_an_authorization_header_is_refused(link: str, header: str) -> None:
    answer = httpx.get(link, headers={"Authorization": header})

    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code>" in answer.text
    assert "Only one auth mechanism allowed" in answer.text


def test_a_signed_link_alone_is_read(link: str) -> None:
    assert httpx.get(link).content == b"an image"
