"""Picture formats, told apart by their first bytes."""

from __future__ import annotations

import pytest
from heliograph.kernel.media_types import SNIFF_BYTES, MediaType, sniff


@pytest.mark.parametrize(
    ("head", "media_type", "extension"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", MediaType.JPEG, "jpg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", MediaType.PNG, "png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", MediaType.WEBP, "webp"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(head: bytes, media_type: MediaType, extension: str) -> None:
    assert sniff(head[:SNIFF_BYTES]) is media_type
    assert media_type.extension == extension


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8", b"\x89PNG", b"GIF89a", b"RIFF\x24\x00\x00\x00WAVE", b"<!DOCTYPE html>"]
)
def test_anything_else_is_no_picture(head: bytes) -> None:
    assert sniff(head) is None
