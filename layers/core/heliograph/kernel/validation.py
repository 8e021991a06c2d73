"""pydantic's findings in our words, which are those of JSON: one `Fault` each, with a JSON pointer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from heliograph.kernel.errors import Fault

# A field's name is the sender's choice; a longer one is cut.
_MAX_NAME_CHARACTERS = 128
_QUOTED = re.compile(r"'([^']*)'")

# By pydantic's type of error; the names in braces are its context. What is not here is "is not valid": pydantic's own
# words are Python's ("a valid tuple"), and are never passed on.
_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "there is no such field",
    "none_required": "must be null",
    "string_unicode": "is no valid Unicode: it holds half of a surrogate pair",
    # Of settings only: texts of the API have a `Pattern`, which says it in words.
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "timezone_naive": "must be a date and time without a UTC offset",
    "timezone_aware": "must say its UTC offset, such as 2026-11-22T10:00:00Z",
    "invalid_key": "has a name that is no string",
    "json_invalid": "is no valid JSON",
    "recursion_loop": "refers to itself",
}
# By what the type of error begins with, the first that fits.
_KINDS = (
    ("string_", "must be a string"),
    ("int_", "must be a whole number"),
    ("float_", "must be a number"),
    ("decimal_", "must be a decimal number"),
    ("bool_", "must be true or false"),
    ("datetime_", "must be a date and time, such as 2026-11-22T10:00:00Z"),
    ("date_", "must be a date, such as 2026-11-22"),
    ("time_", "must be a time"),
    ("url_", "must be a URL"),
    ("uuid_", "must be a UUID"),
    ("bytes_", "must be a string"),
    *((kind, "must be an array") for kind in ("list_", "tuple_", "set_", "frozen_set_", "iterable_")),
    *((kind, "must be an object") for kind in ("dict_", "mapping_", "model_", "dataclass_")),
)


def pointer(*parts: str | int) -> str:
    """An RFC 6901 JSON pointer to the place that `parts` lead to."""
    names = (str(part)[:_MAX_NAME_CHARACTERS] for part in parts)
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def faults_of(error: ValidationError) -> list[Fault]:
    """Every finding, in the document's order. The input's own values are never repeated: they may be secret or huge."""
    return [
        Fault(pointer(*_place(finding["loc"])), sentence(finding["type"], finding.get("ctx", {})))
        for finding in findings_of(error)
    ]


def findings_of(error: ValidationError) -> list[Any]:
    """pydantic's own, but for arrays that are called too short because entries of theirs are at fault."""
    findings = error.errors(include_url=False, include_input=False)
    inner = {finding["loc"][:-1] for finding in findings if finding["loc"]}
    return [finding for finding in findings if finding["type"] != "too_short" or finding["loc"] not in inner]


def sentence(kind: str, context: Mapping[str, Any]) -> str:
    """The fault in words, by pydantic's type of error and its context."""
    match kind:
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "enum" | "literal_error":
            # `'a' or 'b'`, or for members of an enumeration `<Status.A: 'a'> or <Status.B: 'b'>`.
            return f"must be one of {', '.join(_QUOTED.findall(context['expected']))}"
        case "string_too_short" | "bytes_too_short" | "too_short":
            return _too_short(context["min_length"], _counted(kind))
        case "string_too_long" | "bytes_too_long" | "too_long":
            return f"must have at most {_number_of(context['max_length'], _counted(kind))}"
        case _ if kind in _SENTENCES:
            return _SENTENCES[kind].format_map(context)
        case _:
            return next((words for begin, words in _KINDS if kind.startswith(begin)), "is not valid")


def _counted(kind: str) -> tuple[str, str]:
    return ("entry", "entries") if kind.startswith("too_") else ("character", "characters")


def _too_short(least: int, counted: tuple[str, str]) -> str:
    return "must not be empty" if least == 1 else f"must have at least {_number_of(least, counted)}"


def _number_of(count: int, counted: tuple[str, str]) -> str:
    return f"{count} {counted[0] if count == 1 else counted[1]}"


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    # pydantic's way to say that a name, not its value, is wrong.
    return loc[:-1] if loc and loc[-1] == "[key]" else loc
