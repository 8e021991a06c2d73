"""PNG (ISO/IEC 15948): every chunk with its checksum, and the first pixels inflated, to the end chunk.

What follows that is not looked at. Of an animation (APNG), the frames after the first are known by their checksums and
their numbers.
"""

from __future__ import annotations

import zlib

from heliograph.imaging.pieces import Pieces, Reading
from heliograph.kernel.errors import UnusableImage

# Of inflated pixels in all: 125 megapixels of four bytes.
MOST_INFLATED_BYTES = 500_000_000

_SIGNATURE_BYTES = 8
_CHUNK_HEAD_BYTES = 8
_HEADER_BYTES = 13
_LONGEST_CHUNK = 2**31 - 1
_END_CHUNK = "its end chunk"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_NUMBERED = frozenset({b"fcTL", b"fdAT"})
# By color type: samples of a pixel, and the bits that a sample may have.
_KINDS = {0: (1, {1, 2, 4, 8, 16}), 2: (3, {8, 16}), 3: (1, {1, 2, 4, 8}), 4: (2, {8, 16}), 6: (4, {8, 16})}
_WITH_PALETTE = 3
# Passes of an interlaced image: start and step of each, across and down.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)
# A chunk passes in pieces; the longest of those that are read themselves is a header's.
_KEPT_BYTES = 16
_INFLATED_AT_ONCE = 256 * 1024
_DEFLATED_AT_ONCE = 32 * 1024
# Inflating takes ten times as long as the checksums, which prove that the rest is as an encoder wrote it.
MOST_INFLATED_DEFLATED_BYTES = 256 * 1024
MOST_INFLATED_HERE_BYTES = 16 * 1024 * 1024
# No byte can inflate to more.
_MOST_RATIO = 1032


class PngReader:
    """Reads one PNG."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._pixels: _Pixels | None = None
        self._pixels_are_over = False
        self._needs_palette = False
        # Of an animation: frames still to come, whether the last one has pixels, and the next part's number.
        self._frames_left = 0
        self._frame_has_pixels = True
        self._next_number = 0

    def read(self) -> Reading[None]:
        """Reads to the end chunk."""
        yield from self._pieces.skip(_SIGNATURE_BYTES, _END_CHUNK)
        name = b""
        while name != b"IEND":
            self._pieces.count_part()
            head = yield from self._pieces.take(_CHUNK_HEAD_BYTES, _END_CHUNK)
            length, name = int.from_bytes(head[:4]), head[4:]
            if length > _LONGEST_CHUNK or not name.isalpha():
                raise self._pieces.broken(f"has something else than a chunk at byte {self._pieces.position - 8:,}")
            self._check_place(name)
            begins = yield from self._body(name, length)
            if name == b"IHDR":
                self._read_header(begins, length)
            else:
                self._follow_animation(name, int.from_bytes(begins[:4]))
        if self._pixels and (problem := self._pixels.missing()):
            raise self._pieces.broken(problem)
        if self._frames_left or not self._frame_has_pixels:
            raise self._pieces.broken("lacks the end of its animation")

    def _check_place(self, name: bytes) -> None:
        if (name == b"IHDR") != (self._pieces.size is None):
            raise self._pieces.broken("does not begin with its header, or has two")
        if name[:1].isupper() and name not in _CRITICAL:
            raise self._pieces.broken(f"has a chunk {name.decode()} that programs must know and do not")
        if name == b"PLTE":
            self._needs_palette = False
        if name == b"IDAT":
            if self._needs_palette or self._pixels_are_over:
                raise self._pieces.broken("lacks its palette" if self._needs_palette else "has pixels in two places")
            self._pieces.in_pixels = True
        elif self._pieces.in_pixels:
            self._pixels_are_over = True

    def _body(self, name: bytes, length: int) -> Reading[bytes]:
        """Reads a chunk's data and checksum; returns the first bytes of the data."""
        checksum, begins, left = zlib.crc32(name), b"", length
        missing = f"the end of its chunk {name.decode()}"
        while left:
            data = yield from self._pieces.some(left, missing)
            left -= len(data)
            checksum = zlib.crc32(data, checksum)
            if len(begins) < _KEPT_BYTES:
                begins += bytes(data[: _KEPT_BYTES - len(begins)])
            if name == b"IDAT" and self._pixels and (problem := self._pixels.add(data)):
                raise self._pieces.broken(problem)
        if checksum != int.from_bytes((yield from self._pieces.take(4, missing))):
            raise self._pieces.broken(f"is damaged: its chunk {name.decode()} does not match its checksum")
        return begins

    def _read_header(self, begins: bytes, length: int) -> None:
        if length != _HEADER_BYTES:
            raise self._pieces.broken("has a header of the wrong length")
        width, height = int.from_bytes(begins[:4]), int.from_bytes(begins[4:8])
        bits, colour, compression, filters, interlace = begins[8:13]
        samples, allowed = _KINDS.get(colour, (0, set[int]()))
        if bits not in allowed or compression or filters or interlace > 1:
            raise self._pieces.broken("is of a kind that there is not")
        self._pieces.found_size(width, height)
        self._needs_palette = colour == _WITH_PALETTE
        expected = sum(
            rows * (1 + -(-columns * samples * bits // 8))
            for left, top, across, down in (_PASSES if interlace else _WHOLE)
            if (columns := -(-(width - left) // across)) > 0 and (rows := -(-(height - top) // down)) > 0
        )
        if expected > MOST_INFLATED_BYTES:
            message = f"the PNG has {expected:,} bytes of pixels; at most {MOST_INFLATED_BYTES:,} are allowed"
            raise UnusableImage(message, again=False)
        self._pixels = _Pixels(expected)

    def _follow_animation(self, name: bytes, number: int) -> None:
        """Each frame has a head and pixels, which are numbered; `number` is what the chunk begins with."""
        if name in _NUMBERED:
            if number != self._next_number:
                raise self._pieces.broken(f"lacks part {self._next_number} of its animation")
            self._next_number += 1
        if name == b"acTL":
            self._frames_left = number
        elif name == b"fcTL":
            if not self._frame_has_pixels or not self._frames_left:
                raise self._pieces.broken("has a frame too many or without pixels")
            self._frames_left -= 1
            self._frame_has_pixels = False
        elif name in {b"fdAT", b"IDAT"}:
            self._frame_has_pixels = True


class _Pixels:
    """Inflates pixels and counts them, a little at a time: a few bytes may stand for a thousand times as many."""

    def __init__(self, expected_bytes: int) -> None:
        self._inflater = zlib.decompressobj()
        self._expected_bytes = expected_bytes
        self._inflated_bytes = 0
        self._deflated_bytes = 0
        # Too many pixels to inflate the rest.
        self._is_enough = False

    def add(self, data: memoryview) -> str | None:
        """The fault of the data, if any."""
        self._deflated_bytes += len(data)
        if self._is_enough:
            return None
        try:
            for start in range(0, len(data), _DEFLATED_AT_ONCE):
                waiting: bytes | memoryview = data[start : start + _DEFLATED_AT_ONCE]
                while waiting and not self._inflater.eof:
                    if self._inflated_bytes > MOST_INFLATED_HERE_BYTES:
                        self._is_enough = True
                        return None
                    waiting = self._inflated(waiting)
                    if self._inflated_bytes > self._expected_bytes:
                        return "has more pixels than its header says"
        except zlib.error:
            return "has pixels that are damaged"
        self._is_enough = self._deflated_bytes > MOST_INFLATED_DEFLATED_BYTES and not self._inflater.eof
        return None

    def missing(self) -> str | None:
        """The fault of the data after its last byte, if any."""
        if self._is_enough:
            most = self._deflated_bytes * _MOST_RATIO
            return (
                None
                if most >= self._expected_bytes
                else f"has at most {most:,} of {self._expected_bytes:,} bytes of pixels"
            )
        try:
            while not self._inflater.eof and self._inflated_bytes <= self._expected_bytes:
                before = self._inflated_bytes
                self._inflated(b"")
                if self._inflated_bytes == before:
                    break
        except zlib.error:
            return "has pixels that are damaged"
        if self._inflater.eof and self._inflated_bytes == self._expected_bytes:
            return None
        return f"has {self._inflated_bytes:,} of {self._expected_bytes:,} bytes of pixels"

    def _inflated(self, data: bytes | memoryview) -> bytes:
        self._inflated_bytes += len(self._inflater.decompress(data, _INFLATED_AT_ONCE))
        return self._inflater.unconsumed_tail
