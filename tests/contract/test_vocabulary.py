"""One word for one thing: words that were given up don't come back.

Words are looked for in names, comments, docstrings, texts and docs, and in the parts of names (`callUpstream`,
`upstream_key`). Decision records, the changelog and what others wrote keep their words.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.contract.cfn_template import ROOT

FOLDERS = (
    ".ci",
    ".github",
    "benchmarks",
    "docs",
    "events",
    "functions",
    "infrastructure",
    "layers",
    "local",
    "operations",
    "tests",
    "workflows",
)
SUFFIXES = {".css", ".html", ".js", ".json", ".md", ".mjs", ".mk", ".py", ".toml", ".yaml", ".yml", ""}
NOT_OURS_TO_CHANGE = (
    "docs/decisions/",
    "tests/contract/test_vocabulary.py",
    "tests/node/package-lock.json",
    "tests/node/node_modules/",
    "docs/glossary.md",  # it lists them
    "tests/texts/",
)
# Of `callUpstream`, `UPSTREAM_KEY` and `upstream-key`, each word.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class Word:
    """A word that was given up."""

    forms: str
    """All of them, parted by spaces."""
    instead: str
    allowed: Mapping[str, str] = field(default_factory=dict)
    """Files that need it, and why."""
    left: int = 0
    """Files that still have it. Lower it with every file that is cleared; it never rises."""
    only_names: bool = False
    """Good English in a text, and unclear in a name. Looked for in the names of Python code, without the tests'."""


WORDS = (
    Word("doorkeeper doorkeepers", "authorizer"),
    Word("mend mends mended mending", "fix, repair"),
    Word("overtaking", "rebase"),
    Word("doubting", "mark uncertain"),
    Word("lateness", "jitter"),
    Word("eased quickened", "decreased, increased"),
    Word(
        "door doors",
        "authorizer, middleware, handler",
        {"tests/contract/test_watching.py": "names of alarms that must not come back"},
        left=2,
    ),
    Word("surveyor", "health checker", left=2),
    Word("desk desks", "service", {"local/demo.py": "a lighthouse keeper's desk, in a prompt"}, left=2),
    Word("vendor vendors", "provider", left=34),
    Word("upstream upstreams", "provider", left=13),
    Word("picture pictures", "image", left=125),
    Word("wish wishes", "job, request", left=23),
    Word("whoever", "who, the caller", left=41),
    Word("hear hears heard hearing", "receive", left=22),
    Word("lies", "is", left=40),
    Word("tell tells told telling untold", "show, report, publish, notify", left=53, only_names=True),
    Word("survey", "health snapshot", left=2),
    Word("traffic", "route control"),
)


def ours() -> Iterator[Path]:
    """Every text file of the project."""
    places = [ROOT / folder for folder in FOLDERS]
    files = [path for place in places for path in place.rglob("*")] + list(ROOT.glob("*"))
    for path in sorted(files):
        place = str(path.relative_to(ROOT))
        if (
            path.is_file()
            and path.suffix in SUFFIXES
            and "__pycache__" not in place
            and path.name not in {"CHANGELOG.md", "LICENSE", ".git"}
            and not place.startswith(NOT_OURS_TO_CHANGE)
        ):
            yield path


def words_of(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))


def names_of(code: str) -> str:
    """The names in Python code."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return " ".join(token.string for token in tokens if token.type == tokenize.NAME)


@cache
def index() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The files that have each word: anywhere, and in names of code."""
    anywhere: dict[str, set[str]] = {}
    in_names: dict[str, set[str]] = {}
    for path in ours():
        place, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        for word in words_of(f"{place} {text}"):
            anywhere.setdefault(word, set()).add(place)
        if path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts:
            for word in words_of(names_of(text)):
                in_names.setdefault(word, set()).add(place)
    return anywhere, in_names


def files_with(word: Word) -> list[str]:
    found = index()[word.only_names]
    return sorted(set().union(*(found.get(form, set()) for form in word.forms.split())) - set(word.allowed))


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.forms.partition(" ")[0])
def test_a_word_that_was_given_up_does_not_come_back(word: Word) -> None:
    files = files_with(word)

    assert len(files) <= word.left, f"say {word.instead}: {files}"


@pytest.mark.parametrize("word", [word for word in WORDS if word.allowed], ids=lambda word: word.forms)
def test_a_file_that_may_have_a_word_has_it(word: Word) -> None:
    found = index()[word.only_names]

    assert set(word.allowed) <= set().union(*(found.get(form, set()) for form in word.forms.split()))


@pytest.mark.parametrize("text", ["callUpstream", "UPSTREAM_KEY", "upstream-key", "UpstreamKey", "the upstream's"])
def test_a_word_is_found_in_every_way_of_writing_it(text: str) -> None:
    assert "upstream" in words_of(text)


def test_a_longer_word_is_another() -> None:
    assert not {"door", "desk", "mend"} & words_of("outdoors desktop recommend indoor_scene")
