"""The documentation as data: its code blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.contract.cfn_template import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, label: str) -> list[str]:
    """A page's code blocks of that label, without the indentation of the list that they may be in."""
    found = re.findall(rf"^( *)```\w+ {label}\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)) for indent, text in found]


def commands(page: Path, program: str) -> list[list[str]]:
    """A page's commands of a program, in blocks of its label and in running text, as the program's arguments."""
    joined = [block.replace("\\\n", " ") for block in blocks(page, program)]
    lines = [line for block in joined for line in block.splitlines() if line.strip()]
    inline = re.findall(rf"`({program} [^`]+)`", page.read_text())
    parsed = [shlex.split(line) for line in (*lines, *inline)]
    assert all(words[0] == program for words in parsed), f"{page.name}: not a command of {program} alone"
    return [words[1:] for words in parsed]
