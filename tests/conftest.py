"""Fixtures of tests of every kind, and the day on which they run.

No test's outcome may depend on the day. The functions' clock is the fixture `clock`. Libraries and the emulated AWS
read the system's clock, which `--days-ahead` and `--at` move. Monotonic clocks, child processes and OpenSSL (the
validity of certificates) keep the machine's own time. See docs/decisions/0031-any-day-any-python.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from heliograph.platform.clock import SystemClock

from tests.examples import NOW
from tests.fakes.clock import SteppingClock
from tests.node.programs import Node, kept

_TRAVEL = pytest.StashKey[tuple[time_machine.Traveller, datetime]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The system's clock, at the beginning of every test."""
    group = parser.getgroup("another day")
    group.addoption("--days-ahead", type=int, metavar="DAYS", help="begin every test that many days from now")
    group.addoption(
        "--at", type=datetime.fromisoformat, metavar="MOMENT", help="begin every test at that ISO 8601 time"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Travels before the tests' modules are imported."""
    days, at = config.getoption("days_ahead"), config.getoption("at")
    if days is not None:
        at = datetime.now(UTC) + timedelta(days=days)
    if at is not None:
        # To a timestamp: a `datetime` would bring its time zone along, and what `TZ` says would not be tried.
        travel = time_machine.travel(at.timestamp())
        config.stash[_TRAVEL] = (travel.start(), at)
        config.add_cleanup(travel.stop)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The day, where it is another."""
    return [f"every test begins at {config.stash[_TRAVEL][1].isoformat()}"] if _TRAVEL in config.stash else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Travels back, so that every test runs into the next day where one is near."""
    if _TRAVEL in item.config.stash:
        traveller, at = item.config.stash[_TRAVEL]
        traveller.move_to(at.timestamp())


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    """The functions' clock. It stands while the examples' task runs, until a test moves it."""
    standing = SteppingClock(NOW)
    monkeypatch.setattr(SystemClock, "now", lambda _: standing.now())
    return standing


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js, with the packages that tests/node pins."""
    return kept()
