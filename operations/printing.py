"""Print reports that hold text of tenants and providers."""

from __future__ import annotations

from collections.abc import Iterable

from heliograph.kernel.printable import without_unprintable


def print_lines(report: Iterable[str]) -> None:
    """Prints the lines: none of what they hold moves the terminal."""
    for line in report:
        print(without_unprintable(line))
