"""Fixtures of tests of every kind."""

from __future__ import annotations

import pytest

from tests.node.programs import Node, kept


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js, with the packages that tests/node pins."""
    return kept()
