"""The clock that the functions are given."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from heliograph.platform.clock import SystemClock


def test_the_clock_says_the_systems_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fixture `clock` made it stand.
    monkeypatch.undo()
    with time_machine.travel(datetime(2026, 11, 23, 1, 0, tzinfo=ZoneInfo("Asia/Tokyo")), tick=False):
        now = SystemClock().now()
    assert (now, now.tzinfo) == (datetime(2026, 11, 22, 16, 0, tzinfo=UTC), UTC)


def test_the_time_of_a_test_is_not_the_systems() -> None:
    with time_machine.travel(datetime(2031, 1, 1, tzinfo=UTC)):
        assert SystemClock().now().year == 2026
