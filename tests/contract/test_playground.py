"""What the playground's files promise: nothing inline, nothing from elsewhere, and the same words as the API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from heliograph.jobs.job import JobStatus
from heliograph.jobs.request import Policy
from heliograph.jobs.timeline import TimelineKind
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.media_types import MediaType

FOLDER = Path(__file__).parents[2] / "functions" / "serve_pages" / "playground"
FILES = sorted(FOLDER.iterdir())
SCRIPTS = [file for file in FILES if file.suffix == ".js"]
PAGE = (FOLDER / "index.html").read_text()
NODE = Path(sys.executable).parent / "node"


def source(name: str) -> str:
    return (FOLDER / name).read_text()


def words(of: str, name: str) -> list[str]:
    """The strings of a constant."""
    found = re.search(rf"\bconst {name} = [\[{{](.*?)[\]}}];", of, re.DOTALL)
    assert found
    return re.findall(r'"([^"]+)"', found[1])


def keys(of: str, name: str) -> set[str]:
    """The keys of a constant."""
    found = re.search(rf"\bconst {name} = {{(.*?)}};", of, re.DOTALL)
    assert found
    return set(re.findall(r"^\s*(\w+):", found[1], re.MULTILINE))


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_is_one(file: Path) -> None:
    subprocess.run([NODE, "--check", file], check=True, capture_output=True)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_no_script_makes_markup_or_code_of_a_text(file: Path) -> None:
    made = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser|import\("
    assert not re.search(made, file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    links = set(re.findall(r"https?://[^\s\"'`)]+", file.read_text()))
    assert links <= {"http://www.w3.org/2000/svg"}


def test_the_page_holds_no_code_and_no_styles() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", PAGE)


def test_every_file_that_the_page_names_is_there_and_named_relatively() -> None:
    named = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', PAGE))
    assert {"docs", "v1/openapi.json"} < named
    assert all((FOLDER.parent / name).is_file() for name in named - {"docs", "v1/openapi.json"})


def test_every_script_is_asked_for_at_once_and_not_one_after_the_other() -> None:
    named = re.findall(r'<(?:script type="module" src|link rel="modulepreload" href)="playground/([^"]+)"', PAGE)
    assert sorted(named) == [file.name for file in SCRIPTS]


def test_every_element_that_a_label_or_an_attribute_names_is_there() -> None:
    ids = re.findall(r'\sid="([^"]+)"', PAGE)
    named = " ".join(re.findall(r'\s(?:for|aria-\w+by)="([^"]+)"', PAGE)).split()
    assert len(ids) == len(set(ids))
    assert set(named) <= set(ids)


def test_the_page_knows_the_apis_words() -> None:
    assert words(source("ratios.js"), "KNOWN") == list(AspectRatio)
    assert words(source("files.js"), "TYPES") == list(MediaType)
    assert keys(source("phases.js"), "STATUS") == set(JobStatus)
    assert keys(source("timeline.js"), "WORDS") == set(TimelineKind)
    offered = set(re.findall(r'<option value="([^"]+)"', PAGE))
    assert offered == set(Policy) - {Policy.PINNED}
