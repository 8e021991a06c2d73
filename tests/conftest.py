"""Fixtures of tests of every kind."""

from __future__ import annotations

import pytest

from tests.node.programs import Node, installed


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node.js, with the packages that tests/node pins."""
    return installed(tmp_path_factory.mktemp("node"))
