"""Bytes of an image as they arrive, for readers that are written as if all bytes were there."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import TypeVar

from heliograph.kernel.errors import UnusableImage

Value = TypeVar("Value")

Reading = Generator[None, bytes, Value]
"""Receives pieces by `send`; `b""` ends them. Raises `UnusableImage` as soon as the fault is certain."""

# Segments, chunks, tables: each costs some microseconds, however few bytes it has. A PNG of 400 MB in chunks of 8 KB
# has 50,000.
MOST_PARTS = 100_000
# A smaller file may have fewer: these, and one more per so many bytes. Otherwise four megabytes of empty parts would
# take half a second.
_FREE_PARTS = 10_000
_BYTES_A_PART = 256
# 12,000 by 9,000 is what phones of 108 megapixels make.
MOST_PIXELS = 120_000_000


class Standing(StrEnum):
    """Position of a reader after the last pixel, for data without an end marker."""

    AT_THE_END = "at the end"
    BEFORE_THE_END = "before the end"
    # The data ended too early, or is invalid.
    NOWHERE = "nowhere"


class Pieces:
    """Bytes that arrived and are not read yet. `format_name` begins every message about them."""

    def __init__(self, format_name: str, *, size_bytes: int | None = None) -> None:
        self.format_name = format_name
        # Of the whole file, if known beforehand.
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
        """Number of bytes read."""
        return self._dropped + self._at

    def broken(self, what: str) -> UnusableImage:
        """Error for a damaged or incomplete image, of which another copy may be whole."""
        return UnusableImage(f"the {self.format_name} {what}", again=True)

    def count_part(self) -> None:
        """Counts one segment, chunk or table. Raises `UnusableImage` above the limit."""
        self._parts += 1
        most = min(MOST_PARTS, _FREE_PARTS + self.position // _BYTES_A_PART)
        if self._parts > most:
            raise self.broken(f"is made of more than {most:,} parts")

    def found_size(self, width: int, height: int) -> None:
        """Checks and keeps the size in pixels."""
        if width <= 0 or height <= 0:
            raise self.broken("names no size in pixels")
        if width * height > MOST_PIXELS:
            message = (
                f"the {self.format_name} has {width:,} by {height:,} pixels; at most {MOST_PIXELS:,} in all are allowed"
            )
            raise UnusableImage(message, again=False)
        self.size = (width, height)

    def take(self, count: int, missing: str) -> Reading[bytes]:
        """The next `count` bytes. `missing`: what the image lacks if it ends before them."""
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
        """Skips the next `count` bytes."""
        while (left := len(self._buffer) - self._at) < count:
            count -= left
            self._at += left
            yield from self._more(missing)
        self._at += count

    def some(self, most: int, missing: str) -> Reading[memoryview]:
        """The next bytes that have arrived, at least one and at most `most`."""
        if self._at == len(self._buffer):
            yield from self._more(missing)
        found = memoryview(self._buffer)[self._at : self._at + most]
        self._at += len(found)
        return found

    def find(
        self, pattern: re.Pattern[bytes], missing: str, passed: Callable[[bytes, int, int], None] | None = None
    ) -> Reading[None]:
        """Reads up to the next match of `pattern`; its matches are two bytes and begin with 0xFF.

        `passed` is called with each part that is skipped: a buffer, and its start and end there.
        """
        while True:
            found = pattern.search(self._buffer, self._at)
            # The last byte may be the first byte of a match.
            is_open = not found and self._buffer.endswith(b"\xff", self._at)
            end = found.start() if found else len(self._buffer) - is_open
            if passed:
                passed(self._buffer, self._at, end)
            self._at = end
            if found:
                return
            yield from self._more(missing)

    def _more(self, missing: str) -> Reading[None]:
        """Waits for the next piece, and appends it to the unread bytes."""
        piece = yield
        if not piece:
            raise self.broken(f"ends after {self._dropped + len(self._buffer):,} bytes without {missing}")
        unread = self._buffer[self._at :]
        self._dropped += self._at
        self._buffer = unread + piece if unread else piece
        self._at = 0
