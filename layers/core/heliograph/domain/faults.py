"""pydantic's findings in our words: one `Fault` each, with a JSON pointer."""

from __future__ import annotations

from pydantic import ValidationError

from heliograph.domain.errors import Fault

# A field's name is the sender's choice; a longer one is cut.
_MAX_NAME_CHARACTERS = 128


def pointer(*parts: str | int) -> str:
    """An RFC 6901 JSON pointer to the place that `parts` lead to."""
    names = (str(part)[:_MAX_NAME_CHARACTERS] for part in parts)
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def faults_of(error: ValidationError) -> list[Fault]:
    """Every finding, in the document's order. The input's own values are never repeated: they may be secret or huge."""
    return [
        Fault(pointer(*_place(finding["loc"])), _sentence(finding["type"], finding["msg"]))
        for finding in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    # pydantic's way to say that a name, not its value, is wrong.
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")
