"""The kinds of tests, as markers: `-m unit` selects the tests in tests/unit."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
KINDS = {
    "tests/unit": "unit",
    "tests/contract": "contract",
    "tests/integration": "integration",
    "tests/layer": "integration",
    "tests/browser": "browser",
    "tests/e2e": "e2e",
    "local/tests": "tools",
    "benchmarks/tests": "tools",
}


def kind_of(path: Path) -> str:
    """The marker of the tests in this file."""
    place = path.relative_to(ROOT)
    return next(kind for folder, kind in KINDS.items() if place.is_relative_to(folder))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test with its kind."""
    for item in items:
        item.add_marker(kind_of(item.path))
