"""Links within the repository's documentation lead somewhere: to a file that exists, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.cfn_template import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob(".github/**/*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")


def links(page: Path) -> list[str]:
    """Relative links of a page, outside code."""
    found = re.findall(r"\]\(([^)\s]+)\)", _INLINE.sub("", _BLOCK.sub("", page.read_text())))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_links_are_found() -> None:
    assert len(links(ROOT / "README.md")) > 20
    assert "take-a-stack-down" in anchors(ROOT / "docs" / "upgrading.md")
