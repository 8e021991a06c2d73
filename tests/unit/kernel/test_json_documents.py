"""JSON that can't be read for sure is refused, and the answer says what is wrong, and where."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from heliograph.kernel.errors import MalformedDocument
from heliograph.kernel.json_documents import MOST_DIGITS, MOST_LEVELS, read_json_object
from hypothesis import given
from hypothesis import strategies as st


def refused(body: bytes | str) -> MalformedDocument:
    with pytest.raises(MalformedDocument) as caught:
        read_json_object(body, what="the body")
    return caught.value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"prompt=x", "a value is expected at line 1, column 1"),
        (b"{'prompt': 'x'}", "a name in double quotes is expected at line 1, column 2"),
        (b'{\n  "prompt": "x"\n  "tags": []\n}', "a comma or a closing bracket is expected at line 3, column 3"),
        (b'{\n  "prompt" "x"\n}', "a colon is expected at line 2, column 12"),
        (b'{"prompt": "x', "a string begins without an end at line 1, column 12"),
        (b'{"prompt": "x\ny"}', "a line break or another control character is in a string"),
        (b'{"prompt": "\\x"}', "a backslash begins no escape that JSON has at line 1, column 1"),
        (b'{"prompt": "\\u12"}', "\\u is not followed by four hexadecimal digits at line 1, column 1"),
        (b'{"prompt": "x"}\n{}', "more text follows the document's end at line 2, column 1"),
        ('{"prompt": "Ä\u2028", }'.encode(), "at line 1, column 1"),
        ("{\n\"prompt\": \"\xe4\"}".encode("latin-1"), "no UTF-8: byte 0xe4 at line 2, column 12 begins no character"),
        (b'{"a": "\x80"}', "no UTF-8: byte 0x80 at line 1, column 8"),
        (b"null", "must be a JSON object; it is null"),
        (b"[1]", "must be a JSON object; it is an array"),
        (b'"{}"', "must be a JSON object; it is a string"),
        (b"7", "must be a JSON object; it is a number"),
        (b"-Infinity", "must be a JSON object; it is -Infinity, which JSON does not have"),
        (b"9" * 5_000, "must be a JSON object; it is a number of 5,000 digits"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_told_with_its_line_and_column(body: bytes, said: str) -> None:
    [fault] = refused(body).faults
    assert fault.pointer == ""
    assert said in fault.detail
    assert refused(body).headline.startswith("the body ")


def test_nesting_is_told_with_the_place_of_the_first_bracket_too_many() -> None:
    opened = '{"a": "[[[{{{\\"[",\n"b":' + "[" * (MOST_LEVELS - 1)
    assert read_json_object(opened + "]" * (MOST_LEVELS - 1) + "}", what="the body")
    [fault] = refused(opened + "[").faults
    assert f"more than one another, and one more begins at line 2, column {4 + MOST_LEVELS}" in fault.detail.replace(
        f"at most {MOST_LEVELS} arrays and objects may be inside one another", "more than one another"
    )
    for far in (b"[" * 100_000, b'{"a":' * 40_000):
        assert "nested too deeply" in refused(far).faults[0].detail


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ('{"a": NaN}', "/a", "is NaN, which JSON does not have; give a number, or leave it out"),
        ('{"m": {"x/y": [1, -Infinity]}}', "/m/x~1y/1", "is -Infinity, which JSON does not have"),
        ('{"a": ' + "9" * 5_000 + "}", "/a", "is a number of 5,000 digits; at most 309 can be read"),
        ('{"a": -0.' + "1" * 5_000 + "}", "/a", "is a number of 5,001 digits"),
        ('{"a": [1e999]}', "/a/0", "is a number too large to be read"),
        ('{"a": -1E400}', "/a", "is a number too large to be read"),
        ('{"a": "\\ud800"}', "/a", "is no valid Unicode: it holds half of a surrogate pair"),
        ('{"a": {"\\udc00": 1}}', "/a", "has a name that is no valid Unicode"),
        ('{"prompt": "x", "prompt": "y"}', "/prompt", "is given more than once in its object; give it once"),
        ('{"prompt": "x", "pr\\u006fmpt": "x"}', "/prompt", "is given more than once"),
        ('{"m": [{}, {"a": 1, "b": 2, "a": 3, "a": 4}]}', "/m/1/a", "is given more than once"),
        ('{"": 1, "": 2}', "/", "is given more than once"),
    ],
)  # fmt: skip
def test_what_json_does_not_have_or_say_clearly_is_told_with_its_pointer(body: str, pointer: str, detail: str) -> None:
    error = refused(body)
    assert [fault.pointer for fault in error.faults] == [pointer]
    assert error.faults[0].detail.startswith(detail)
    assert str(error).startswith("the body can't be read: ")


def test_every_such_fault_is_told_at_once() -> None:
    error = refused('{"a": NaN, "b": 1e999, "c": "\\ud800", "b": 2, "d": {"e": 1, "e": Infinity}}')
    # The values that a later one of the same name replaces are not read.
    assert [fault.pointer for fault in error.faults] == ["/b", "/a", "/c", "/d/e", "/d/e"]
    assert error.headline == (
        "the body can't be read: b is given more than once in its object; give it once (and 4 more problems)"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_the_encodings_that_editors_write_are_read(encoding: str) -> None:
    assert read_json_object('{"prompt": "Füchse 🦊"}'.encode(encoding), what="the body") == {"prompt": "Füchse 🦊"}


def test_the_largest_numbers_are_read_exactly() -> None:
    assert read_json_object("{" + f'"a": {"9" * MOST_DIGITS}, "b": 1e308' + "}", what="the body") == {
        "a": int("9" * MOST_DIGITS),
        "b": 1e308,
    }


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4), st.booleans())
def test_whatever_is_json_is_read_as_it_was_written(document: dict[str, Any], escaped: bool) -> None:
    assert read_json_object(json.dumps(document, ensure_ascii=escaped).encode(), what="the body") == document


@given(st.text() | st.binary(), st.text() | st.binary())
def test_whatever_arrives_is_read_or_refused(first: str | bytes, second: str | bytes) -> None:
    for part in (first, second):
        with suppress(MalformedDocument):
            assert isinstance(read_json_object(part, what="the body"), dict)
