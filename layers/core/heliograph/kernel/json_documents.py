"""JSON as it arrives: every fault is told with its line and column, or with its place in the document.

Stricter than Python's reader: nothing that JSON does not have, no name twice, no number that would be read as another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from heliograph.kernel.errors import Fault, MalformedDocument
from heliograph.kernel.validation import pointer

# Far above any document of ours, and far below what Python's reader or a walk can bear.
MOST_LEVELS = 64
# What a 64-bit floating-point number can hold has 309 at most.
MOST_DIGITS = 309
_MOST_NAME_CHARACTERS = 64
# A string (also one without an end), a bracket, or a word that is Python's.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[][{}]|-?Infinity\b|NaN\b', re.DOTALL)
# What the reader says, which is the same in all versions of Python.
_WORDS = {
    "Expecting value": "a value is expected",
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected",
    "Expecting ':' delimiter": "a colon is expected",
    "Expecting ',' delimiter": "a comma or a closing bracket is expected",
    "Unterminated string starting at": "a string begins without an end",
    "Invalid control character at": "a line break or another control character is in a string (\\n is written so)",
    "Invalid \\escape": "a backslash begins no escape that JSON has",
    "Invalid \\uXXXX escape": "\\u is not followed by four hexadecimal digits",
    "Extra data": "more text follows the document's end",
}


def read_json_object(body: bytes | str, *, what: str) -> dict[str, Any]:
    """The JSON object in `body`; else `MalformedDocument`, which calls it `what` (`"the body"`)."""
    text = _text(body, what)
    if not text.strip():
        raise _malformed(f"{what} is empty; it must be a JSON object")
    _check_levels(text, what)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_Unreadable,
            parse_int=_whole_number,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        told = _WORDS.get(error.msg.removesuffix(": "), "it can't be read on")
        raise _malformed(f"{what} is no valid JSON: {told} at {_place_in(text, error.pos)}") from None
    if not isinstance(document, dict):
        raise _malformed(f"{what} must be a JSON object; it {_kind(document)}")
    if faults := list(_faults(document, ())):
        raise MalformedDocument(*faults, what=what)
    return document


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a number that JSON does not have, or that can't be read."""

    written: str

    @property
    def problem(self) -> str:
        if self.written.endswith(("NaN", "Infinity")):
            return f"is {self.written}, which JSON does not have; give a number, or leave it out"
        digits = sum(map(str.isdigit, self.written))
        if digits > MOST_DIGITS:
            return f"is a number of {digits:,} digits; at most {MOST_DIGITS} can be read"
        return "is a number too large to be read"


class _Doubled(dict[str, Any]):
    """An object that gives a name more than once."""

    names: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, seen = _Doubled(found), set[str]()
    doubled.names = tuple(dict.fromkeys(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return doubled


def _whole_number(written: str) -> int | _Unreadable:
    return int(written) if len(written) <= MOST_DIGITS else _Unreadable(written)


def _number(written: str) -> float | _Unreadable:
    number = float(written) if len(written) <= MOST_DIGITS else float("inf")
    return number if abs(number) != float("inf") else _Unreadable(written)


def _kind(value: object) -> str:
    match value:
        case _Unreadable():
            return value.problem
        case None:
            return "is null"
        case bool():
            return f"is {str(value).lower()}"
        case str():
            return "is a string"
        case list():
            return "is an array"
        case _:
            return "is a number"


def _text(body: bytes | str, what: str) -> str:
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    # What other encodings begin with (RFC 4627, 3): editors on Windows write them.
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(encoding, "replace")
        where = f"byte 0x{body[error.start]:02x} at {_place_in(before, len(before))}"
        raise _malformed(f"{what} is no UTF-8: {where} begins no character; send it in UTF-8") from None


def _check_levels(text: str, what: str) -> None:
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return
    level = 0
    for token in _TOKENS.finditer(text):
        match token[0]:
            case "[" | "{":
                level += 1
                if level > MOST_LEVELS:
                    raise _malformed(
                        f"{what} is nested too deeply: at most {MOST_LEVELS} arrays and objects may be inside one "
                        f"another, and one more begins at {_place_in(text, token.start())}"
                    )
            case "]" | "}":
                level -= 1


def _faults(value: Any, place: tuple[str | int, ...]) -> Iterator[Fault]:
    match value:
        case _Unreadable():
            yield Fault(pointer(*place), value.problem)
        case str() if not _is_text(value):
            yield Fault(pointer(*place), "is no valid Unicode: it holds half of a surrogate pair")
        case dict():
            if isinstance(value, _Doubled):
                yield from (_doubled(name, place) for name in value.names)
            for name, part in value.items():
                if _is_text(name):
                    yield from _faults(part, (*place, name))
                else:
                    yield Fault(pointer(*place), "has a name that is no valid Unicode: half of a surrogate pair")
        case list():
            for index, part in enumerate(value):
                yield from _faults(part, (*place, index))


def _doubled(name: str, place: tuple[str | int, ...]) -> Fault:
    if not _is_text(name):
        return Fault(pointer(*place), "has a name twice")
    return Fault(pointer(*place, name), "is given more than once in its object; give it once")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place_in(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _malformed(detail: str) -> MalformedDocument:
    return MalformedDocument(Fault("", detail))
