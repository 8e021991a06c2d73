"""The bytes of an image as they arrive, for readers that are written as if all of them were there."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import TypeVar

from heliograph.kernel.errors import UnusableImage

Value = TypeVar("Value")

Reading = Generator[None, bytes, Value]
"""Takes pieces with `send`; `b""` says that there are no more. Raises `UnusableImage` as soon as that is certain."""

# Segments, chunks, tables: each costs some microseconds, however few bytes it has. A PNG of 400 MB in chunks of 8 KB
# has 50,000.
MOST_PARTS = 100_000
# Of a smaller file fewer: these for nothing, and one more for so many bytes. Four megabytes of empty parts would
# otherwise take half a second.
_FREE_PARTS = 10_000
_BYTES_A_PART = 256
# 12,000 by 9,000 is what phones of 108 megapixels make.
MOST_PIXELS = 120_000_000


class Standing(StrEnum):
    """Where a reader of data that has no end marker stands when it has read the last pixel."""

    AT_THE_END = "at the end"
    BEFORE_THE_END = "before the end"
    # It needs more than there is, or what it read can't be.
    NOWHERE = "nowhere"


class Pieces:
    """What arrived and is not read yet. `format_name` begins every message about it."""

    def __init__(self, format_name: str, *, size_bytes: int | None = None) -> None:
        self.format_name = format_name
        # Of the whole file, if that is known beforehand.
        self.size_bytes = size_bytes
        self.size: tuple[int, int] | None = None
        # The header was read; what follows are pixels.
        self.in_pixels = False
        self._buffer = b""
        self._at = 0
        self._dropped = 0
        self._parts = 0

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._dropped + self._at

    def broken(self, what: str) -> UnusableImage:
        """The image is damaged, or never was whole: another copy may be better."""
        return UnusableImage(f"the {self.format_name} {what}", again=True)

    def count_part(self) -> None:
        """One more segment, chunk or table."""
        self._parts += 1
        most = min(MOST_PARTS, _FREE_PARTS + self.position // _BYTES_A_PART)
        if self._parts > most:
            raise self.broken(f"is made of more than {most:,} parts")

    def found_size(self, width: int, height: int) -> None:
        """Checks the size in pixels and keeps it."""
        if width <= 0 or height <= 0:
            raise self.broken("names no size in pixels")
        if width * height > MOST_PIXELS:
            message = (
                f"the {self.format_name} has {width:,} by {height:,} pixels; at most {MOST_PIXELS:,} in all are allowed"
            )
            raise UnusableImage(message, again=False)
        self.size = (width, height)

    def take(self, count: int, missing: str) -> Reading[bytes]:
        """The next `count` bytes. `missing`: what an image lacks that ends before them."""
        found = self._buffer[self._at : self._at + count]
        self._at += len(found)
        if len(found) == count:
            return found
        parts, count = [found], count - len(found)
        while count:
            yield from self._more(missing)
            parts.append(self._buffer[:count])
            self._at = len(parts[-1])
            count -= self._at
        return b"".join(parts)

    def skip(self, count: int, missing: str) -> Reading[None]:
        """Reads over the next `count` bytes."""
        while (left := len(self._buffer) - self._at) < count:
            count -= left
            self._at += left
            yield from self._more(missing)
        self._at += count

    def some(self, most: int, missing: str) -> Reading[memoryview]:
        """As many of the next bytes as are there, `most` at most, at least one."""
        if self._at == len(self._buffer):
            yield from self._more(missing)
        found = memoryview(self._buffer)[self._at : self._at + most]
        self._at += len(found)
        return found

    def find(
        self, pattern: re.Pattern[bytes], missing: str, passed: Callable[[bytes, int, int], None] | None = None
    ) -> Reading[None]:
        """Reads up to where `pattern` begins, whose matches have two bytes and begin with 0xFF.

        `passed` is given what is read over: each time a buffer, and where in it.
        """
        while True:
            found = pattern.search(self._buffer, self._at)
            # The last byte may be the first one of a match.
            is_open = not found and self._buffer.endswith(b"\xff", self._at)
            end = found.start() if found else len(self._buffer) - is_open
            if passed:
                passed(self._buffer, self._at, end)
            self._at = end
            if found:
                return
            yield from self._more(missing)

    def _more(self, missing: str) -> Reading[None]:
        """Waits for the next piece, and puts it behind what is not read yet."""
        piece = yield
        if not piece:
            raise self.broken(f"ends after {self._dropped + len(self._buffer):,} bytes without {missing}")
        unread = self._buffer[self._at :]
        self._dropped += self._at
        self._buffer = unread + piece if unread else piece
        self._at = 0
