"""Forms: what the official client sends is read, what is none is refused, and nothing grows without limit."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliograph.api.multipart import Form, read_form
from heliograph.kernel.errors import MalformedDocument, UnusableParameters

FILES = ("image", "mask")
BOUNDARY = "multipart/form-data; boundary=b"


def sent(*files: tuple[str, bytes], **texts: Any) -> tuple[bytes, str]:
    """As HTTP clients make it."""
    request = httpx.Request(
        "POST", "http://x/", data=texts, files=[(name, ("name.png", body, "image/png")) for name, body in files]
    )
    return request.read(), request.headers["content-type"]


def read(body: bytes, content_type: str) -> Form:
    return read_form(body, content_type, files=FILES)


def part(disposition: str, body: str = "x", *more: str) -> str:
    headers = "\r\n".join([f"Content-Disposition: {disposition}", *more])
    return f"--b\r\n{headers}\r\n\r\n{body}\r\n"


def test_texts_and_files_are_read_in_their_order() -> None:
    form = read(*sent(("image[]", b"one"), ("image[]", b"two"), ("mask", b"three"), prompt="Ein Fuchs, zwölf", n="2"))
    assert form == Form({"prompt": "Ein Fuchs, zwölf", "n": "2"}, {"image": (b"one", b"two"), "mask": (b"three",)})


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_a_file_may_be_given_once_or_several_times(name: str) -> None:
    assert read(*sent((name, b"one"), (name, b"two"))).files == {"image": (b"one", b"two")}
    assert read(*sent((name, b"one"))).files == {"image": (b"one",)}


def test_bytes_arrive_as_they_are() -> None:
    body = bytes(range(256)) * 5000 + b"\r\n--not-the-boundary\r\n"
    assert read(*sent(("image", body))).files["image"] == (body,)


def test_a_field_without_a_text_counts_as_left_out() -> None:
    assert read(*sent(("image", b"x"), prompt="p", model="", user=None)).texts == {"prompt": "p"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"prompt=x", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data"),
        (b"x", ""),
        (b"", BOUNDARY),
        (b"nothing of the kind", BOUNDARY),
        (part('form-data; name="prompt"').encode(), BOUNDARY),
        ((part("form-data") + "--b--\r\n").encode(), BOUNDARY),
        ((part('form-data; name="prompt"', "x", "Content-Transfer-Encoding: rot13") + "--b--\r\n").encode(), BOUNDARY),
        (part('form-data; name="prompt"').encode() + b"--b\r\nbroken", BOUNDARY),
        ((part('form-data; name="prompt"', "\udcff") + "--b--\r\n").encode(errors="surrogateescape"), BOUNDARY),
        (b"--" + b"b" * 300 + b"--", "multipart/form-data; boundary=" + "b" * 300),
    ],
)
def test_what_is_no_form_is_told_so(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedDocument):
        read(body, content_type)


def test_more_parts_than_any_call_needs_are_refused() -> None:
    assert len(read(*sent(*[("image", b"x")] * 64)).files["image"]) == 64
    with pytest.raises(MalformedDocument, match="more than 64 parts"):
        read(*sent(*[("image", b"x")] * 65))


def test_more_text_than_any_call_needs_is_refused() -> None:
    with pytest.raises(MalformedDocument, match="bytes of text"):
        read(*sent(("image", b"x"), prompt="x" * 300_000))


def test_more_headers_than_any_part_needs_are_refused() -> None:
    many = [f"X-{number}: x" for number in range(50)]
    with pytest.raises(MalformedDocument):
        read((part('form-data; name="prompt"', "x", *many) + "--b--\r\n").encode(), BOUNDARY)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (part('form-data; name="prompt"') + part('form-data; name="prompt"'), "/prompt"),
        (part('form-data; name="prompt"; filename="x.txt"'), "/prompt"),
        (part('form-data; name="thing"; filename="x.txt"'), "/thing"),
    ],
)
def test_a_text_given_twice_and_a_file_where_none_belongs_are_named(body: str, pointer: str) -> None:
    with pytest.raises(UnusableParameters) as raised:
        read(f"{body}--b--\r\n".encode(), BOUNDARY)
    assert [fault.pointer for fault in raised.value.faults] == [pointer]
