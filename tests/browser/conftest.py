"""What the browser tests need of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says at once what is missing, rather than after minutes of other tests."""
    if any(item.path.is_relative_to(HERE) for item in items) and not chromium.is_at_hand():
        pytest.exit(chromium.MISSING, returncode=pytest.ExitCode.USAGE_ERROR)
