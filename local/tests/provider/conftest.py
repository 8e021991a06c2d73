"""Fixtures of the simulator's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.tests.provider.simulation import Simulation


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """A simulator in this process."""
    started = Simulation()
    yield started
    started.close()
