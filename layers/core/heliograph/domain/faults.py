"""pydantic's findings in our words: one `Fault` each, with a JSON pointer."""

from __future__ import annotations

from pydantic import ValidationError

from heliograph.domain.errors import Fault


def pointer(*parts: str | int) -> str:
    """An RFC 6901 JSON pointer to the place that `parts` lead to."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def faults_of(error: ValidationError) -> list[Fault]:
    """Every finding, in the document's order. The input's own values are never repeated: they may be secret or huge."""
    return [
        Fault(pointer(*finding["loc"]), _sentence(finding["type"], finding["msg"]))
        for finding in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")
