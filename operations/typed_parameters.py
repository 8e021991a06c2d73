"""Parameters of the template as a person types them: `DailyBudgetUsd=25 Tenants={"shop": {"weight": 2}}`."""

from __future__ import annotations

import json
import re

from operations.refusals import Refused

_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)=")
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""")
_WORD = re.compile(r"\S*")


def read_typed(text: str) -> dict[str, str]:
    """The parameters by name. A value is JSON (which may have spaces), text in quotes, or a word. Raises `Refused`."""
    parameters: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        named = _NAME.match(text, position)
        if named is None:
            raise Refused(
                f"PARAMETERS can't be read at {text[position:].strip()[:40]!r}: write Name=value, with spaces between; "
                "quote a value with spaces."
            )
        name = named[1]
        if name in parameters:
            raise Refused(f"PARAMETERS names {name} twice.")
        parameters[name], position = _value(name, text, named.end())
    return parameters


def _value(name: str, text: str, start: int) -> tuple[str, int]:
    """The value at `start`, and the position of its end."""
    if text[start : start + 1] in {"{", "["}:
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except ValueError as error:
            raise Refused(f"PARAMETERS: {name} is not valid JSON ({error}).") from error
        value = text[start:end]
    elif quoted := _QUOTED.match(text, start):
        value = quoted[1] if quoted[1] is not None else re.sub(r"\\(.)", r"\1", quoted[2])
        end = quoted.end()
    else:
        word = _WORD.match(text, start)
        assert word is not None  # noqa: S101 - it matches nothing at all, too
        value, end = word[0], word.end()
    if text[end : end + 1].strip():
        raise Refused(f"PARAMETERS: after the value of {name} comes {text[end : end + 20]!r}; put a space between.")
    return value, end
