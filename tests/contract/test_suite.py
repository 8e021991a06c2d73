"""The suite itself: every test has one kind, and test modules share helpers, not each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from conftest import KINDS
from tests.contract.cfn_template import ROOT

FOLDERS = [ROOT / "tests", ROOT / "local" / "tests", ROOT / "benchmarks" / "tests"]
TEST_MODULES = sorted(path for folder in FOLDERS for path in folder.glob("**/test_*.py"))
_TEST_MODULE = re.compile(r"(^|\.)test_\w+(\.|$)")


def imports_of(path: Path) -> set[str]:
    """Full names of the modules, and of what is taken from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def test_no_test_module_is_imported() -> None:
    python = [path for folder in FOLDERS for path in folder.glob("**/*.py")]
    imported = {
        (str(path.relative_to(ROOT)), name)
        for path in python
        for name in imports_of(path)
        if name.partition(".")[0] in {"tests", "local", "benchmarks"} and _TEST_MODULE.search(name)
    }

    assert imported == set()


def test_every_test_module_lies_in_the_folder_of_one_kind() -> None:
    places = [str(path.relative_to(ROOT)) for path in TEST_MODULES]

    assert [place for place in places if sum(place.startswith(f"{folder}/") for folder in KINDS) != 1] == []


def test_every_test_is_marked_with_its_kind(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("contract")
    assert not request.node.get_closest_marker("unit")


def test_no_file_is_named_to_come_last() -> None:
    assert [path.name for path in TEST_MODULES if re.match(r"test_(z|aa)[a-z]?_", path.name)] == []
