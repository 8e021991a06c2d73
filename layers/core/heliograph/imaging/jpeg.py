"""JPEG (ITU-T T.81): every segment and every scan, to the end marker. Bytes after it are ignored.

Cameras put things there: previews, a video, a second picture. Damage within the entropy-coded data of a scan shows only
where it is too short, or its restart markers are not what they must be; whoever decodes it sees no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from heliograph.imaging.pieces import Pieces, Reading

_END_MARKER = "its end marker"
# In entropy-coded data, 0xFF is followed by 0x00 or begins a restart marker; otherwise the data ends.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_EOI, _SOS, _DQT, _DNL, _DRI, _DHT, _COM = 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xC4, 0xFE
_APPLICATION = range(0xE0, 0xF0)
# Baseline, extended and progressive; few programs open the others (lossless, hierarchical, arithmetic).
_FRAMES = range(0xC0, 0xC3)
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_PROGRESSIVE = 0xC2
_COMPONENT_COUNTS = (1, 3, 4)
_BITS = 8
_MOST_SAMPLING = 4
_LAST_TABLE = 3
_LONGEST_CODE = 16
# Classes of Huffman tables, and the values that a table of first coefficients may hold.
_FIRSTS, _OTHERS = 0, 1
_LARGEST_FIRST = 15
# Tables that a JPEG may leave out unless it is progressive, as frames of a video do.
_STANDARD_CODES = frozenset({0x00, 0x01, 0x10, 0x11})
_LAST_COEFFICIENT = 63
_MOST_LOW_BITS = 13
_RESTART_NUMBERS = bytes(range(0xD0, 0xD8))


@dataclass(frozen=True, slots=True)
class _Component:
    across: int
    down: int
    table: int


@dataclass(slots=True)
class _Frame:
    """The frame's header, and the components whose data was seen."""

    width: int
    height: int
    is_progressive: bool
    components: dict[int, _Component]
    seen: set[int] = field(default_factory=set)

    def units(self, chosen: Sequence[int]) -> int:
        """Number of units of a scan: blocks of its one component, or of several interleaved."""
        across = max(component.across for component in self.components.values())
        down = max(component.down for component in self.components.values())
        if len(chosen) > 1:
            return _parts(self.width, 8 * across) * _parts(self.height, 8 * down)
        [component] = (self.components[name] for name in chosen)
        columns = _parts(_parts(self.width * component.across, across), 8)
        rows = _parts(_parts(self.height * component.down, down), 8)
        return columns * rows

    def blocks_in_unit(self, chosen: Sequence[int]) -> int:
        """Number of blocks of 8 by 8 samples."""
        if len(chosen) == 1:
            return 1
        return sum(self.components[name].across * self.components[name].down for name in chosen)


@dataclass(slots=True)
class _Data:
    """Entropy-coded data of one scan. `most_restarts`: the most restart markers allowed; 0: they are not counted."""

    most_restarts: int
    size_bytes: int = 0
    restarts: int = 0
    in_order: bool = True

    def passed(self, buffer: bytes, start: int, end: int) -> None:
        """Counts the next part of the data."""
        self.size_bytes += end - start
        if self.restarts >= self.most_restarts or not self.in_order:
            return
        found = b"".join(_RESTART.findall(buffer, start, end))[1::2]
        expected = _RESTART_NUMBERS[self.restarts % 8 :] + _RESTART_NUMBERS * (len(found) // 8 + 1)
        self.in_order = self.in_order and expected.startswith(found)
        self.restarts += len(found)


class JpegReader:
    """Reads one JPEG."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._frame: _Frame | None = None
        self._tables: set[int] = set()
        self._codes: set[int] = set()
        self._restart_interval = 0

    def read(self) -> Reading[None]:
        """Reads to the end marker."""
        yield from self._pieces.skip(2, _END_MARKER)
        while (marker := (yield from self._marker())) != _EOI:
            if marker == _SOS:
                yield from self._scan()
            elif marker in _FRAMES:
                self._read_frame((yield from self._segment()), is_progressive=marker == _PROGRESSIVE)
            elif marker == _DQT:
                self._read_tables((yield from self._segment()))
            elif marker == _DHT:
                self._read_codes((yield from self._segment()))
            elif marker == _DRI:
                self._restart_interval = int.from_bytes((yield from self._segment())[:2])
            elif marker in _APPLICATION or marker in {_COM, _DNL}:
                yield from self._pieces.skip((yield from self._length()), _END_MARKER)
            elif marker in _OTHER_FRAMES:
                raise self._pieces.broken(f"is of a kind (SOF{marker - 0xC0}) that programs do not open")
            else:
                raise self._pieces.broken(f"has an unknown marker, FF{marker:02X}, at byte {self._pieces.position:,}")
        frame = self._frame
        if frame is None:
            raise self._pieces.broken("ends without an image")
        if missing := len(frame.components) - len(frame.seen):
            raise self._pieces.broken(f"lacks the data of {missing} of its {len(frame.components)} components")

    def _marker(self) -> Reading[int]:
        """The next marker; skips stray bytes, as other readers do."""
        self._pieces.count_part()
        yield from self._pieces.find(_MARKER, _END_MARKER)
        return (yield from self._pieces.take(2, _END_MARKER))[1]

    def _length(self) -> Reading[int]:
        length = int.from_bytes((yield from self._pieces.take(2, _END_MARKER)))
        if length < len(b"\0\0"):
            raise self._pieces.broken(f"has a segment of {length} bytes at byte {self._pieces.position:,}")
        return length - 2

    def _segment(self) -> Reading[bytes]:
        return (yield from self._pieces.take((yield from self._length()), _END_MARKER))

    def _read_frame(self, body: bytes, *, is_progressive: bool) -> None:
        if self._frame:
            raise self._pieces.broken("has two frames")
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:  # noqa: PLR2004 - precision, height, width, components
            raise self._pieces.broken("has a frame header of the wrong length")
        if body[0] != _BITS or body[5] not in _COMPONENT_COUNTS:
            raise self._pieces.broken(f"has {body[5]} components of {body[0]} bits, which programs do not open")
        components = {}
        for name, sampling, table in zip(body[6::3], body[7::3], body[8::3], strict=True):
            component = _Component(sampling >> 4, sampling & 15, table)
            if not (1 <= component.across <= _MOST_SAMPLING and 1 <= component.down <= _MOST_SAMPLING):
                raise self._pieces.broken("has a component without samples")
            components[name] = component
        if len(components) != body[5]:
            raise self._pieces.broken("has two components of one name")
        if not _is_even([component.across for component in components.values()]) or not _is_even(
            [component.down for component in components.values()]
        ):
            raise self._pieces.broken("has components that do not fit together")
        height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
        self._pieces.found_size(width, height)
        self._frame = _Frame(width, height, is_progressive, components)

    def _read_tables(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            self._pieces.count_part()
            precision, name = body[at] >> 4, body[at] & 15
            at += 1 + (128 if precision else 64)
            if at > len(body) or name > _LAST_TABLE:
                raise self._pieces.broken("has a quantization table that is none")
            self._tables.add(name)

    def _read_codes(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            self._pieces.count_part()
            name, counts = body[at], body[at + 1 : at + 1 + _LONGEST_CODE]
            symbols = body[at + 1 + _LONGEST_CODE :][: sum(counts)]
            at += 1 + _LONGEST_CODE + sum(counts)
            is_first = name >> 4 == _FIRSTS
            if (
                at > len(body)
                or name >> 4 > _OTHERS
                or name & 15 > _LAST_TABLE
                or not _is_prefix_code(counts)
                or (is_first and max(symbols, default=0) > _LARGEST_FIRST)
            ):
                raise self._pieces.broken("has a Huffman table that is none")
            self._codes.add(name)

    def _scan(self) -> Reading[None]:
        header = yield from self._segment()
        frame = self._frame
        if frame is None:
            raise self._pieces.broken("has a scan before its frame")
        chosen = self._chosen(header, frame)
        first, last, approximation = header[-3:]
        scan = _Scan(first, last, approximation >> 4, approximation & 15)
        if frame.is_progressive and not scan.can_be(len(chosen)):
            raise self._pieces.broken("has a scan of a kind that there is not")
        for selectors in header[2 : 2 * len(chosen) + 1 : 2]:
            needed = scan.codes(selectors) if frame.is_progressive else {selectors >> 4, _OTHERS << 4 | selectors & 15}
            if needed - self._codes - (frozenset() if frame.is_progressive else _STANDARD_CODES):
                raise self._pieces.broken("lacks a Huffman table")
        self._pieces.in_pixels = True
        units = frame.units(chosen)
        data = _Data(most_restarts=units if self._restart_interval else 0)
        yield from self._pieces.find(_MARKER, _END_MARKER, data.passed)
        has_firsts = not frame.is_progressive or scan.first == 0
        if has_firsts:
            frame.seen.update(chosen)
        if self._restart_interval and (not data.in_order or data.restarts < (units - 1) // self._restart_interval):
            raise self._pieces.broken(f"lacks restart markers before byte {self._pieces.position:,}")
        # The first coefficient of a block takes at least one bit, and the others of a full block at least another.
        bits = int(has_firsts) + int(not frame.is_progressive)
        if data.size_bytes * 8 < max(1, units * frame.blocks_in_unit(chosen) * bits):
            message = f"has {data.size_bytes:,} bytes of data before byte {self._pieces.position:,}, too few for it"
            raise self._pieces.broken(message)

    def _chosen(self, header: bytes, frame: _Frame) -> list[int]:
        """Components of the scan."""
        count = header[0] if header else 0
        if not 1 <= count <= len(frame.components) or len(header) != 1 + 2 * count + 3:
            raise self._pieces.broken("has a scan header of the wrong length")
        chosen = list(header[1 : 1 + 2 * count : 2])
        if not set(chosen) <= set(frame.components) or len(set(chosen)) < count:
            raise self._pieces.broken("has a scan of components that it does not have")
        if any(frame.components[name].table not in self._tables for name in chosen):
            raise self._pieces.broken("lacks a quantization table")
        return chosen


class _Scan(NamedTuple):
    """Of a progressive JPEG: which coefficients a scan has, and which of their bits; `before` it, others had more."""

    first: int
    last: int
    before: int
    low: int

    def can_be(self, components: int) -> bool:
        """Whether the scan is valid: the first coefficient alone, or others of one component."""
        band = self.last == 0 if self.first == 0 else self.first <= self.last <= _LAST_COEFFICIENT and components == 1
        return band and self.low <= _MOST_LOW_BITS and self.before in {0, self.low + 1}

    def codes(self, selectors: int) -> set[int]:
        """Huffman tables that the scan needs of a component."""
        if self.first:
            return {_OTHERS << 4 | selectors & 15}
        return set() if self.before else {selectors >> 4}


def _is_prefix_code(counts: bytes) -> bool:
    """Whether a code can have that many words of each length, from one bit on; all ones is no word."""
    room = 1
    for count in counts:
        room = 2 * room - count
        if count and room < 1:
            return False
    return True


def _is_even(sampling: list[int]) -> bool:
    """Whether each component has whole samples for one of the finest."""
    return all(max(sampling) % each == 0 for each in sampling)


def _parts(whole: int, size: int) -> int:
    """Number of parts of that size, the last of which may be smaller."""
    return -(-whole // size)
