"""Fixtures of the unit tests: no network, and a deployment that lives in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket

from tests.fakes.deployment import InMemoryDeployment

# The same examples everywhere: what fails for one fails for all. (`--hypothesis-profile=default` looks for new ones.)
settings.register_profile("unit", derandomize=True, database=None, deadline=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """A unit test that reaches for the network is none."""
    disable_socket()
    yield
    enable_socket()


@pytest.fixture
def here() -> InMemoryDeployment:
    """A fresh deployment."""
    return InMemoryDeployment()
