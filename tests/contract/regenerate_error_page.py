"""Writes the page that a deployment serves at `/docs/errors` anew, from docs/errors.md. Run it at the project's root:

python -m tests.contract.regenerate_error_page
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.contract.cfn_template import ROOT

SOURCE = ROOT / "docs" / "errors.md"
_NAME = "errors.html"
_HEAD = """\
<!doctype html>
<!-- Made from docs/errors.md by `python -m tests.contract.regenerate_error_page`. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Errors · Heliograph</title>
<link rel="icon" href="../playground/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="errors.css">
</head>
<body>
<p><a href="../docs">API reference</a></p>
<main>
"""
_END = "</main>\n</body>\n</html>\n"


def page() -> Path:
    """The page among the pages that the application serves."""
    [folder] = ROOT.glob("functions/*/docs")
    return folder / _NAME


def anchor_of(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def html() -> str:
    """The page. Links to other pages of the documentation become text: a deployment does not serve those."""
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(SOURCE.read_text(encoding="utf-8"))
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor_of(inline.content))
    for token in tokens:
        if token.children:
            token.children = _without_other_pages(token.children)
    body: str = markdown.renderer.render(tokens, markdown.options, {})
    return _HEAD + body + _END


def _without_other_pages(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    is_inside = False
    for token in tokens:
        if token.type == "link_open" and not str(token.attrs["href"]).startswith(("#", "https://")):
            is_inside = True
        elif token.type == "link_close" and is_inside:
            is_inside = False
        else:
            kept.append(token)
    return kept


if __name__ == "__main__":
    page().write_text(html(), encoding="utf-8")
