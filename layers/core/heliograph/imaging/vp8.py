"""The entropy-coded data of a lossy WEBP (VP8, RFC 6386), read to its end without decoding pixels.

An arithmetic code has no end marker, and any bytes are a picture in it: a file whose end was filled with zeros opens,
with a flat bottom. What tells is where a reader stands when it has read the last block. An encoder writes out what is
left of its code and stops; a reader of anything else has bytes left, or needs more, or has part of a code in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from heliograph.imaging.pieces import Standing
from heliograph.imaging.vp8_tables import COEFFICIENTS, MODES, UPDATES

Bit = Callable[[int], int]
"""The next decision, which of 256 times would be 0 as often as is said."""

Block = Sequence[Sequence[bytes]]
"""Probabilities of a type of block, by position and context."""

# Of macroblocks of 16 by 16 pixels: 10 megapixels. And of each byte of the data: even one colour has fewer.
MOST_MACROBLOCKS = 40_000
_MOST_MACROBLOCKS_A_BYTE = 4
# What an encoder pads its code with: one more than was seen of any.
_MOST_PADDING_BYTES = 4

_HEAD_BYTES = 10
_EVEN = 128
_CONTEXTS, _PROBABILITIES, _BANDS = 3, 11, 8
# The band of each position of a coefficient, and of what follows the last.
_BAND_OF = (0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0)
_POSITIONS = 16
_WITHOUT_FIRST, _FIRSTS, _CHROMA, _WHOLE = range(4)
# The bits of large coefficients, by their category.
_LARGE = (
    (173, 148, 140),
    (176, 155, 140, 135),
    (180, 157, 141, 134, 130),
    (254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129),
)
# The modes of a block of 4 by 4 pixels as a tree, in which leaves are not above zero.
_MODE_TREE = (0, 1, -1, 2, -2, 3, 4, 6, -3, 5, -4, -5, -6, 7, -7, 8, -8, -9)
_PREDICT_DC, _PREDICT_MOTION, _PREDICT_VERTICAL, _PREDICT_HORIZONTAL = range(4)
_MODE_COUNT, _MODE_PROBABILITIES = 10, 9
# By a range below 127, less one: how far it is moved up, and what it is then.
_SHIFT = tuple(8 - (value + 1).bit_length() for value in range(127))
_MOVED = tuple(((value + 1) << shift) - 1 for value, shift in enumerate(_SHIFT))
_SMALLEST_RANGE = 127
_WINDOW = (1 << 40) - 1


def partitions_of(settings: bytes) -> int:
    """How many partitions the coefficients are in; `settings`: the beginning of the first partition."""
    bit = _Code(settings).bit
    _segments(bit)
    return _filter_and_partitions(bit)


def standing(data: bytes) -> Standing | None:
    """Where a reader of an image's data stands after its last block; `None` if there is too much to read."""
    first_bytes = int.from_bytes(data[:3], "little") >> 5
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    columns, rows = -(-width // 16), -(-height // 16)
    if columns * rows > min(MOST_MACROBLOCKS, _MOST_MACROBLOCKS_A_BYTE * len(data)):
        return None
    first = _Code(data[_HEAD_BYTES : _HEAD_BYTES + first_bytes])
    settings = _settings(first.bit)
    codes = list(_codes(data[_HEAD_BYTES + first_bytes :], settings.partitions))
    _read(columns, rows, first.bit, settings, [code.bit for code in codes])
    left = [code.left() for code in (first, *codes)]
    if any(bits < 0 for bits, _ in left):
        return Standing.NOWHERE
    if all(bits < 8 * (_MOST_PADDING_BYTES + 1) and value == 0 for bits, value in left):
        return Standing.AT_THE_END
    return Standing.BEFORE_THE_END


class _Code:
    """Reader of an arithmetic code. Zeros follow its end."""

    def __init__(self, data: bytes) -> None:
        value, bits, span, at = 0, -8, 254, 0

        def bit(probability: int) -> int:
            # Called for every decision: with `self` it would take half as long again.
            nonlocal value, bits, span, at
            if bits < 0:
                # What no encoder writes could grow without end.
                value = (value << 32 | int.from_bytes(data[at : at + 4].ljust(4, b"\0"))) & _WINDOW
                at += 4
                bits += 32
            split = span * probability >> 8
            if value >> bits > split:
                value -= (split + 1) << bits
                span -= split + 1
                if span < _SMALLEST_RANGE:
                    bits -= _SHIFT[span]
                    span = _MOVED[span]
                return 1
            span = split
            if span < _SMALLEST_RANGE:
                bits -= _SHIFT[span]
                span = _MOVED[span]
            return 0

        def left() -> tuple[int, int]:
            """How many bits were not needed, and what there is in hand: nothing, if all were read that was written."""
            return 8 * len(data) - (8 * at - 8 - bits), value

        self.bit: Bit = bit
        self.left = left


class _Settings(NamedTuple):
    """What comes before the macroblocks: the probabilities of their segments, of coefficients, of having none."""

    segments: tuple[int, int, int] | None
    partitions: int
    blocks: tuple[Block, ...]
    skipped: int | None


def _number(bit: Bit, bits: int) -> int:
    value = 0
    for _ in range(bits):
        value = 2 * value + bit(_EVEN)
    return value


def _pass_numbers(bit: Bit, count: int, bits: int) -> None:
    """As many signed ones, each of which may be left out."""
    for _ in range(count):
        if bit(_EVEN):
            _number(bit, bits + 1)


def _segments(bit: Bit) -> tuple[int, int, int] | None:
    _number(bit, 2)  # colour space, clamping
    if not bit(_EVEN):
        return None
    has_map = bit(_EVEN)
    if bit(_EVEN):
        bit(_EVEN)
        _pass_numbers(bit, 4, 7)
        _pass_numbers(bit, 4, 6)
    if not has_map:
        return None
    tree = [_number(bit, 8) if bit(_EVEN) else 255 for _ in range(3)]
    return tree[0], tree[1], tree[2]


def _filter_and_partitions(bit: Bit) -> int:
    _number(bit, 10)  # the filter
    if bit(_EVEN) and bit(_EVEN):
        _pass_numbers(bit, 8, 6)
    return 1 << _number(bit, 2)


def _settings(bit: Bit) -> _Settings:
    segments = _segments(bit)
    partitions = _filter_and_partitions(bit)
    _number(bit, 7)  # quantizers
    _pass_numbers(bit, 5, 4)
    bit(_EVEN)
    probabilities = bytes(
        _number(bit, 8) if bit(update) else default for update, default in zip(UPDATES, COEFFICIENTS, strict=True)
    )
    skipped = _number(bit, 8) if bit(_EVEN) else None
    return _Settings(segments, partitions, _blocks(probabilities), skipped)


def _blocks(probabilities: bytes) -> tuple[Block, ...]:
    size = _PROBABILITIES

    def at(kind: int, band: int, context: int) -> bytes:
        start = ((kind * _BANDS + band) * _CONTEXTS + context) * size
        return probabilities[start : start + size]

    return tuple([[at(kind, band, context) for context in range(_CONTEXTS)] for band in _BAND_OF] for kind in range(4))


def _codes(data: bytes, count: int) -> Iterator[_Code]:
    at = 3 * (count - 1)
    for size in range(0, at, 3):
        end = at + int.from_bytes(data[size : size + 3], "little")
        yield _Code(data[at:end])
        at = end
    yield _Code(data[at:])


def _read(columns: int, rows: int, bit: Bit, settings: _Settings, codes: list[Bit]) -> None:
    """Every macroblock: its modes from the first partition, its coefficients from one of the others."""
    modes_above = [[_PREDICT_DC] * 4 for _ in range(columns)]
    # Which blocks above had coefficients: four of luma, two and two of chroma, and the one of firsts.
    above = [[0] * 9 for _ in range(columns)]
    for row in range(rows):
        coefficients = codes[row % len(codes)]
        modes_left = [_PREDICT_DC] * 4
        left = [0] * 9
        for column in range(columns):
            if settings.segments:
                bit(settings.segments[1 + bit(settings.segments[0])])
            is_skipped = settings.skipped is not None and bit(settings.skipped)
            has_firsts = _read_modes(bit, modes_above[column], modes_left)
            if is_skipped:
                last = left[8], above[column][8]
                left[:], above[column][:] = [0] * 9, [0] * 9
                if not has_firsts:
                    left[8], above[column][8] = last
            else:
                _read_macroblock(coefficients, settings.blocks, above[column], left, has_firsts=has_firsts)


def _read_modes(bit: Bit, above: list[int], left: list[int]) -> bool:
    """How a macroblock is predicted; whether as a whole."""
    is_whole = bool(bit(145))
    if is_whole:
        if bit(156):
            mode = _PREDICT_MOTION if bit(_EVEN) else _PREDICT_HORIZONTAL
        else:
            mode = _PREDICT_VERTICAL if bit(163) else _PREDICT_DC
        above[:], left[:] = [mode] * 4, [mode] * 4
    else:
        for down in range(4):
            mode = left[down]
            for across in range(4):
                at = (above[across] * _MODE_COUNT + mode) * _MODE_PROBABILITIES
                place = _MODE_TREE[bit(MODES[at])]
                while place > 0:
                    place = _MODE_TREE[2 * place + bit(MODES[at + place])]
                mode = above[across] = -place
            left[down] = mode
    if bit(142) and bit(114):
        bit(183)
    return is_whole


def _read_macroblock(
    bit: Bit, blocks: tuple[Block, ...], above: list[int], left: list[int], *, has_firsts: bool
) -> None:
    if has_firsts:
        left[8] = above[8] = _read_block(bit, blocks[_FIRSTS], left[8] + above[8], 0)
    luma, first = (blocks[_WITHOUT_FIRST], 1) if has_firsts else (blocks[_WHOLE], 0)
    for start, size, block, position in ((0, 4, luma, first), (4, 2, blocks[_CHROMA], 0), (6, 2, blocks[_CHROMA], 0)):
        for down in range(start, start + size):
            before = left[down]
            for across in range(start, start + size):
                before = above[across] = _read_block(bit, block, before + above[across], position)
            left[down] = before


def _read_block(bit: Bit, block: Block, context: int, first: int) -> int:
    """Reads the coefficients of a block from the position `first` on; 1 if there are any, else 0."""
    position = first
    now = block[position][context]
    while position < _POSITIONS and bit(now[0]):
        while not bit(now[1]):
            position += 1
            if position == _POSITIONS:
                return 1
            now = block[position][0]
        position += 1
        if bit(now[2]):
            _read_large(bit, now)
            now = block[position][2]
        else:
            now = block[position][1]
        bit(_EVEN)
    return int(position > first)


def _read_large(bit: Bit, now: bytes) -> None:
    """A coefficient beyond one."""
    if not bit(now[3]):
        if bit(now[4]):
            bit(now[5])
    elif not bit(now[6]):
        if bit(now[7]):
            bit(165)
            bit(145)
        else:
            bit(159)
    else:
        high = bit(now[8])
        for probability in _LARGE[2 * high + bit(now[9 + high])]:
            bit(probability)
