"""What a fake does besides its job: fail, crash, or let something else happen in between, at a chosen call."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Crash(BaseException):
    """The process is gone. No `Exception`, so that no code under test can survive it by being careful."""


@dataclass(frozen=True)
class Afterwards:
    """The call does its work, and only then goes wrong: written, but the answer is lost."""

    error: BaseException


Line = BaseException | Afterwards | Callable[[], object] | None


class Script:
    """What happens at the next calls of each method; a call without a line (or with `None`) just works."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Line]] = defaultdict(deque)

    def on(self, method: str, *lines: Line) -> None:
        """Appends `lines`, one for each coming call of `method`; a function runs before the call does its work."""
        self._lines[method].extend(lines)

    def clear(self) -> None:
        """From now on every call just works."""
        self._lines.clear()

    @contextmanager
    def playing(self, method: str) -> Iterator[None]:
        """Wraps the work of one call."""
        line = self._lines[method].popleft() if self._lines[method] else None
        if isinstance(line, BaseException):
            raise line
        if callable(line):
            line()
        yield
        if isinstance(line, Afterwards):
            raise line.error
