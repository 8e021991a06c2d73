"""HTML that is escaped by construction: anything that is not `Html` becomes text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

# These have no end and no children.
_VOID = frozenset({"input", "img", "link", "meta"})
_CODE = re.compile(r"`([^`]+)`")
_JSON_PART = re.compile(
    r"""(?P<name>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<word>\b(?:true|false|null|-?\d[\d.eE+-]*)\b)"""
)
_PROGRAM_PART = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?P<word>\b(?:import|const|await|print|curl)\b)"""
)


class Html(str):
    """Markup, ready to be sent."""

    __slots__ = ()


def element(kind: str, /, *children: str | None, **attributes: str | bool | None) -> Html:
    """An element. A trailing underscore keeps an attribute from being Python's word; `_` within is `-`."""
    written = "".join(
        f" {key.strip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if kind in _VOID:
        return Html(f"<{kind}{written}>")
    return Html(f"<{kind}{written}>{together(children)}</{kind}>")


def together(parts: Iterable[str | None]) -> Html:
    """Joins the parts; escapes those that are no markup."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts if part))


def prose(text: str) -> Html:
    """A line of text, with `code` in backticks."""
    pieces = _CODE.split(text)
    return together(element("code", piece) if index % 2 else piece for index, piece in enumerate(pieces))


def paragraphs(text: str) -> Html:
    """Text with blank lines between its paragraphs."""
    return together(element("p", prose(paragraph)) for paragraph in text.split("\n\n"))


def json_code(value: Any) -> Html:
    """JSON, coloured."""
    return _coloured(json.dumps(value, indent=2, ensure_ascii=False), _JSON_PART)


def program_code(source: str) -> Html:
    """A program, coloured a little."""
    return _coloured(source, _PROGRAM_PART)


def _coloured(source: str, part: re.Pattern[str]) -> Html:
    pieces: list[str] = []
    end = 0
    for found in part.finditer(source):
        pieces += [source[end : found.start()], element("span", found[0], class_=f"c-{found.lastgroup}")]
        end = found.end()
    return together([*pieces, source[end:]])
