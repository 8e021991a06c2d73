"""The packages of tests under Node.js: pinned by their contents, from whichever registry they come."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.contract.cfn_template import ROOT

FOLDER = ROOT / "tests" / "node"
LOCK: dict[str, Any] = json.loads((FOLDER / "package-lock.json").read_text())
PACKAGES = {name: package for name, package in LOCK["packages"].items() if name}


def test_the_lock_is_of_what_is_asked_for() -> None:
    asked = json.loads((FOLDER / "package.json").read_text())
    assert LOCK["packages"][""]["dependencies"] == asked["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked["dependencies"].values())
    assert {f"node_modules/{name}" for name in asked["dependencies"]} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_known_by_what_is_in_it_and_not_by_where_it_lies(name: str) -> None:
    assert PACKAGES[name]["integrity"].startswith("sha512-")
    assert "resolved" not in PACKAGES[name]
