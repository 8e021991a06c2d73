"""WEBP (RFC 9649): every chunk to the end that its first bytes announce, and the headers of what they hold.

Its pixels have no end marker and no checksum. Where they end in more zeros than an encoder pads them with, and where
they are few, they are read to their own end (`vp8`, `vp8l`), as far as that is not too much work.
"""

from __future__ import annotations

import re

from heliograph.imaging import vp8, vp8l
from heliograph.imaging.pieces import Pieces, Reading, Standing

# An encoder pads with two or three.
SUSPICIOUS_ZEROS = 8
# Reading the pixels takes two seconds of CPU per megabyte: cheap ones are always read, suspicious ones only up to this
# size.
ALWAYS_READ_BYTES = 8 * 1024
MOST_READ_BYTES = 512 * 1024
MOST_LOSSY_READ_BYTES = 256 * 1024
# Of larger ones, so large a part of zeros is taken for damage. A flat bottom leaves 3 % at most of a lossy one, and
# 23 % of a lossless one that was encoded in a hurry.
_MOST_ZEROS_SHARE, _MOST_ZEROS_SHARE_LOSSLESS = 1 / 16, 1 / 4

_RIFF_HEAD_BYTES = 8
_CHUNK_HEAD_BYTES = 8
_CHUNK_NAME = re.compile(rb"[ -~]{4}")
_EXTENDED_BYTES = 10
_ANIMATED = 0x02
_FRAME_BYTES = 16
_LOSSY, _LOSSLESS = b"VP8 ", b"VP8L"
_LOSSY_HEAD_BYTES, _LOSSLESS_HEAD_BYTES = 10, 5
_LOSSY_START = b"\x9d\x01\x2a"
_LOSSLESS_START = 0x2F
_LAST_VERSION = 3
# What comes before the number of partitions takes less.
_LOSSY_SETTINGS_BYTES = 64


class WebpReader:
    """Reads one WEBP."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._end = 0
        # The last thing in the file, if that is an image's data.
        self._last: _Payload | None = None

    def read(self) -> Reading[None]:
        """Reads to the announced end; bytes after it are ignored."""
        head = yield from self._pieces.take(_RIFF_HEAD_BYTES, "its header")
        self._end = _RIFF_HEAD_BYTES + int.from_bytes(head[4:], "little")
        if self._pieces.size_bytes is not None and self._pieces.size_bytes < self._end:
            raise self._pieces.broken(f"has {self._pieces.size_bytes:,} of the {self._end:,} bytes that it announces")
        yield from self._skip(len(b"WEBP"))
        images, is_animated = 0, False
        while self._end - self._pieces.position >= _CHUNK_HEAD_BYTES:
            name, length = yield from self._chunk_head(self._end)
            after = self._pieces.position + length
            if name == b"VP8X" and self._pieces.size is None:
                is_animated = yield from self._extended(length)
            elif name == b"ANMF" and is_animated:
                yield from self._frame(length)
                images += 1
            elif name in {_LOSSY, _LOSSLESS} and not is_animated:
                yield from self._image(name, length, self._pieces.size)
                images += 1
            yield from self._skip(after - self._pieces.position)
            yield from self._skip(min(length & 1, self._end - after))
        yield from self._skip(self._end - self._pieces.position)
        if not images:
            raise self._pieces.broken("has no image in it")
        if self._last and (problem := self._last.problem()):
            raise self._pieces.broken(problem)

    def _skip(self, count: int) -> Reading[None]:
        yield from self._pieces.skip(count, self._missing())

    def _take(self, count: int, room: int) -> Reading[bytes]:
        if count > room:
            raise self._pieces.broken(f"has something cut short before byte {self._pieces.position:,}")
        return (yield from self._pieces.take(count, self._missing()))

    def _missing(self) -> str:
        return f"the rest of the {self._end:,} that it announces"

    def _chunk_head(self, end: int) -> Reading[tuple[bytes, int]]:
        self._pieces.count_part()
        at = self._pieces.position
        head = yield from self._take(_CHUNK_HEAD_BYTES, end - at)
        name, length = head[:4], int.from_bytes(head[4:], "little")
        if not _CHUNK_NAME.fullmatch(name):
            raise self._pieces.broken(f"has something else than a chunk at byte {at:,}")
        if length > end - self._pieces.position:
            raise self._pieces.broken(f"has a chunk {name.decode()} at byte {at:,} that is longer than what holds it")
        self._last = None
        return name, length

    def _extended(self, length: int) -> Reading[bool]:
        """Reads the features and the size; returns whether it is an animation."""
        body = yield from self._take(_EXTENDED_BYTES, length)
        self._pieces.found_size(_number(body[4:7]) + 1, _number(body[7:10]) + 1)
        return bool(body[0] & _ANIMATED)

    def _frame(self, length: int) -> Reading[None]:
        """Reads a frame of an animation: its place, and the chunks in it."""
        end = self._pieces.position + length
        body = yield from self._take(_FRAME_BYTES, length)
        left, top = 2 * _number(body[:3]), 2 * _number(body[3:6])
        size = (_number(body[6:9]) + 1, _number(body[9:12]) + 1)
        width, height = self._pieces.size or (0, 0)
        if left + size[0] > width or top + size[1] > height:
            raise self._pieces.broken("has a frame that is larger than it")
        has_image = False
        while end - self._pieces.position >= _CHUNK_HEAD_BYTES:
            name, inner = yield from self._chunk_head(end)
            after = self._pieces.position + inner
            if name in {_LOSSY, _LOSSLESS}:
                yield from self._image(name, inner, size)
                has_image = True
            yield from self._skip(after - self._pieces.position)
            yield from self._skip(min(inner & 1, end - after))
        if not has_image:
            raise self._pieces.broken("has a frame without an image")

    def _image(self, name: bytes, length: int, size: tuple[int, int] | None) -> Reading[None]:
        """Reads the data of an image, which must have that size, if one is known."""
        self._pieces.in_pixels = True
        payload = _Payload(name, self._pieces.position + length)
        if name == _LOSSY:
            found = yield from self._lossy_head(payload, length)
        else:
            found = yield from self._lossless_head(payload, length)
        if size is None:
            self._pieces.found_size(*found)
        elif found != size:
            raise self._pieces.broken(
                f"says that it has {size[0]} by {size[1]} pixels, and has {found[0]} by {found[1]}"
            )
        while left := payload.end - self._pieces.position:
            payload.add((yield from self._pieces.some(left, self._missing())))
        self._last = payload

    def _lossy_head(self, payload: _Payload, length: int) -> Reading[tuple[int, int]]:
        head = payload.add((yield from self._take(_LOSSY_HEAD_BYTES, length)))
        tag = _number(head[:3])
        first_partition = tag >> 5
        # A key frame, which is shown, of a version that there is.
        if tag & 1 or not tag >> 4 & 1 or tag >> 1 & 7 > _LAST_VERSION or head[3:6] != _LOSSY_START:
            raise self._pieces.broken("has no frame where its image should be")
        left = length - _LOSSY_HEAD_BYTES - first_partition
        if left < 0:
            raise self._pieces.broken("has a first partition that is cut short")
        settings = yield from self._take(min(first_partition, _LOSSY_SETTINGS_BYTES), first_partition)
        payload.add(settings)
        while skipped := payload.end - left - self._pieces.position:
            payload.add((yield from self._pieces.some(skipped, self._missing())))
        sizes = payload.add((yield from self._take(3 * (vp8.partitions_of(settings) - 1), left)))
        if sum(_number(sizes[at : at + 3]) for at in range(0, len(sizes), 3)) > left - len(sizes):
            raise self._pieces.broken("has partitions that are cut short")
        return _number(head[6:8]) & 0x3FFF, _number(head[8:10]) & 0x3FFF

    def _lossless_head(self, payload: _Payload, length: int) -> Reading[tuple[int, int]]:
        head = payload.add((yield from self._take(_LOSSLESS_HEAD_BYTES, length)))
        facts = _number(head[1:])
        if head[0] != _LOSSLESS_START or facts >> 29:
            raise self._pieces.broken("has no image where its image should be")
        return (facts & 0x3FFF) + 1, (facts >> 14 & 0x3FFF) + 1


class _Payload:
    """The data of an image, kept as far as it may have to be read, and how many zeros it ends in."""

    def __init__(self, name: bytes, end: int) -> None:
        self.end = end
        self._name = name
        self._kept = bytearray()
        self._size_bytes = 0
        self._zeros = 0

    def add(self, data: bytes | memoryview) -> bytes | memoryview:
        """Adds the next part of the data, and returns it."""
        self._size_bytes += len(data)
        if self._size_bytes <= MOST_READ_BYTES:
            self._kept += data
        else:
            self._kept.clear()
        if data and not data[-1]:
            zeros = len(data) - len(bytes(data).rstrip(b"\0"))
            self._zeros = zeros + (self._zeros if zeros == len(data) else 0)
        elif data:
            self._zeros = 0
        return data

    def problem(self) -> str | None:
        """The fault of the data's end, if any."""
        most_share = _MOST_ZEROS_SHARE if self._name == _LOSSY else _MOST_ZEROS_SHARE_LOSSLESS
        is_suspicious = self._zeros >= SUSPICIOUS_ZEROS
        standing = self._standing() if is_suspicious or self._size_bytes <= ALWAYS_READ_BYTES else None
        if standing is Standing.NOWHERE:
            return "has a picture that goes on beyond its end"
        if is_suspicious and (
            standing is Standing.BEFORE_THE_END or (standing is None and self._zeros > self._size_bytes * most_share)
        ):
            return f"ends in {self._zeros:,} zeros where more of its image should be"
        return None

    def _standing(self) -> Standing | None:
        if self._size_bytes > (
            min(MOST_LOSSY_READ_BYTES, MOST_READ_BYTES) if self._name == _LOSSY else MOST_READ_BYTES
        ):
            return None
        read = vp8.standing if self._name == _LOSSY else vp8l.standing
        return read(bytes(self._kept))


def _number(data: bytes | memoryview) -> int:
    return int.from_bytes(data, "little")
