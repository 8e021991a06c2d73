"""The data of a lossless WEBP (VP8L, RFC 9649), read to its end without decoding pixels.

It has no end marker: a file whose end was filled with zeros opens. What tells is where a reader stands when it has read
the last pixel: in the last byte of the data, if it read what an encoder wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from heliograph.imaging.pieces import Standing

# Of the image and of what describes it: pixels, copies, code lengths. And of each byte of the data: a symbol that is
# the only one takes no bits.
MOST_SYMBOLS = 250_000
_MOST_SYMBOLS_A_BYTE = 64

_BYTE = 8
_LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_PREDICTOR, _COLOUR, _GREEN, _INDEXING = range(4)
_LITERALS = 256
_LENGTHS = 24
_ALPHABETS = (_LITERALS + _LENGTHS, _LITERALS, _LITERALS, _LITERALS, 40)
_MOST_CACHE_BITS = 11
_HASH = 0x1E35A7BD
_LOOKED_UP_BITS = 8
_USUAL_LENGTH = 8
_PREVIOUS, _FEW_ZEROS, _MANY_ZEROS = 16, 17, 18
# By distance code: how far to the left and up a copy begins; the nearest first.
_NEAR = sorted(
    ((across, up) for up in range(8) for across in range(-7, 9) if up or across > 0),
    key=lambda place: (place[0] ** 2 + place[1] ** 2, abs(place[0]), place[0] < 0),
)


def standing(data: bytes) -> Standing | None:
    """Where a reader of an image's data stands after its last pixel; `None` if there is too much to read."""
    bits = _Bits(data)
    try:
        bits.read(8)
        width, height = bits.read(14) + 1, bits.read(14) + 1
        bits.read(4)
        _read_main(bits, width, height)
    except _Wrong:
        return Standing.NOWHERE
    except _TooMuch:
        return None
    return Standing.AT_THE_END if bits.unread < _BYTE else Standing.BEFORE_THE_END


class _Wrong(Exception):
    """The data is invalid: no encoder wrote it."""


class _TooMuch(Exception):
    """The data has too many symbols."""


class _Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = 8 * len(data)
        self._symbols_left = min(MOST_SYMBOLS, _MOST_SYMBOLS_A_BYTE * len(data))

    @property
    def unread(self) -> int:
        return self._end - self._at

    def read(self, count: int) -> int:
        """The next `count` of them as a number."""
        value = self.ahead() & ((1 << count) - 1)
        self.pass_over(count)
        return value

    def ahead(self) -> int:
        """The next 56 at least, and zeros beyond the end."""
        start = self._at >> 3
        return int.from_bytes(self._data[start : start + 8], "little") >> (self._at & 7)

    def pass_over(self, count: int) -> None:
        self._at += count
        if self._at > self._end:
            raise _Wrong

    def count_symbol(self) -> None:
        self._symbols_left -= 1
        if self._symbols_left < 0:
            raise _TooMuch


class _PrefixCode:
    """A prefix code by the lengths of its words."""

    def __init__(self, lengths: Sequence[int]) -> None:
        words = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
        if not words:
            raise _Wrong
        # By the next bits: a symbol and its length; those with longer words by these, behind a one.
        self._short: list[tuple[int, int] | None] = [None] * (1 << _LOOKED_UP_BITS)
        self._long: dict[int, int] = {}
        self._longest = words[-1][0]
        if len(words) == 1:
            self._short = [(words[0][1], 0)] * (1 << _LOOKED_UP_BITS)
            return
        code, before = 0, words[0][0]
        for length, symbol in words:
            code <<= length - before
            before = length
            if code >> length:
                raise _Wrong
            self._add(int(f"{code:0{length}b}"[::-1], 2), length, symbol)
            code += 1
        if code != 1 << before:
            raise _Wrong

    def _add(self, word: int, length: int, symbol: int) -> None:
        if length <= _LOOKED_UP_BITS:
            self._short[word :: 1 << length] = [(symbol, length)] * (1 << _LOOKED_UP_BITS - length)
        else:
            self._long[1 << length | word] = symbol

    def read(self, bits: _Bits) -> int:
        """The next symbol."""
        ahead = bits.ahead()
        if found := self._short[ahead & 0xFF]:
            bits.pass_over(found[1])
            return found[0]
        for length in range(_LOOKED_UP_BITS + 1, self._longest + 1):
            symbol = self._long.get(1 << length | ahead & ((1 << length) - 1))
            if symbol is not None:
                bits.pass_over(length)
                return symbol
        raise _Wrong


class _Group(NamedTuple):
    """The five codes of a part of an image."""

    green: _PrefixCode
    red: _PrefixCode
    blue: _PrefixCode
    alpha: _PrefixCode
    distance: _PrefixCode


def _read_main(bits: _Bits, width: int, height: int) -> None:
    width = _read_transforms(bits, width, height)
    cache_bits = _read_cache_bits(bits)
    tiles, tile_bits = [0], 14
    if bits.read(1):
        tile_bits = bits.read(3) + 2
        pixels = _read_small(bits, -(-width >> tile_bits), -(-height >> tile_bits))
        tiles = [pixel >> 8 & 0xFFFF for pixel in pixels]
    groups = [_read_group(bits, cache_bits) for _ in range(max(tiles) + 1)]
    tiles_across = -(-width >> tile_bits)
    at, total = 0, width * height
    while at < total:
        bits.count_symbol()
        row, column = divmod(at, width)
        group = groups[tiles[(row >> tile_bits) * tiles_across + (column >> tile_bits)]]
        symbol = group.green.read(bits)
        if symbol < _LITERALS:
            group.red.read(bits)
            group.blue.read(bits)
            group.alpha.read(bits)
            at += 1
        elif symbol < _LITERALS + _LENGTHS:
            at += _read_extra(bits, symbol - _LITERALS)
            _read_extra(bits, group.distance.read(bits))
        else:
            at += 1
    if at > total:
        raise _Wrong


def _read_transforms(bits: _Bits, width: int, height: int) -> int:
    """What was done to the pixels before; the width that they have since."""
    seen = set()
    while bits.read(1):
        kind = bits.read(2)
        if kind in seen:
            raise _Wrong
        seen.add(kind)
        if kind in {_PREDICTOR, _COLOUR}:
            shift = bits.read(3) + 2
            _read_small(bits, -(-width >> shift), -(-height >> shift))
        elif kind == _INDEXING:
            colours = bits.read(8) + 1
            _read_small(bits, colours, 1)
            # Several pixels of few colours are one.
            width = -(-width >> sum(colours <= few for few in (2, 4, 16)))
    return width


def _read_cache_bits(bits: _Bits) -> int:
    if not bits.read(1):
        return 0
    cache_bits = bits.read(4)
    if not 1 <= cache_bits <= _MOST_CACHE_BITS:
        raise _Wrong
    return cache_bits


def _read_small(bits: _Bits, width: int, height: int) -> list[int]:
    """The pixels of an image that describes another."""
    cache_bits = _read_cache_bits(bits)
    group = _read_group(bits, cache_bits)
    cache = [0] * (1 << cache_bits)
    pixels: list[int] = []

    def add(pixel: int) -> None:
        bits.count_symbol()
        pixels.append(pixel)
        if cache_bits:
            cache[(_HASH * pixel & 0xFFFFFFFF) >> 32 - cache_bits] = pixel

    while len(pixels) < width * height:
        symbol = group.green.read(bits)
        if symbol < _LITERALS:
            red, blue, alpha = group.red.read(bits), group.blue.read(bits), group.alpha.read(bits)
            add(alpha << 24 | red << 16 | symbol << 8 | blue)
        elif symbol < _LITERALS + _LENGTHS:
            length = _read_extra(bits, symbol - _LITERALS)
            distance = _distance(_read_extra(bits, group.distance.read(bits)), width)
            if distance > len(pixels) or len(pixels) + length > width * height:
                raise _Wrong
            for _ in range(length):
                add(pixels[-distance])
        else:
            add(cache[symbol - _LITERALS - _LENGTHS])
    return pixels


def _distance(code: int, width: int) -> int:
    """Distance of a copy, in pixels before this one."""
    if code > len(_NEAR):
        return code - len(_NEAR)
    across, up = _NEAR[code - 1]
    return max(1, across + up * width)


def _read_extra(bits: _Bits, symbol: int) -> int:
    """The length or the distance code that a symbol and the bits after it stand for."""
    if symbol < 4:  # noqa: PLR2004 - those need no bits
        return symbol + 1
    count = (symbol - 2) >> 1
    return ((2 + (symbol & 1)) << count) + bits.read(count) + 1


def _read_group(bits: _Bits, cache_bits: int) -> _Group:
    green, *others = _ALPHABETS
    codes = [_read_code(bits, green + (1 << cache_bits if cache_bits else 0))]
    codes += [_read_code(bits, size) for size in others]
    return _Group(*codes)


def _read_code(bits: _Bits, size: int) -> _PrefixCode:
    lengths = [0] * size
    if bits.read(1):
        has_two = bits.read(1)
        symbols = [bits.read(8 if bits.read(1) else 1)]
        if has_two:
            symbols.append(bits.read(8))
        for symbol in symbols:
            if symbol >= size:
                raise _Wrong
            lengths[symbol] = 1
        return _PrefixCode(lengths)
    of_lengths = [0] * len(_LENGTH_ORDER)
    for place in _LENGTH_ORDER[: bits.read(4) + 4]:
        of_lengths[place] = bits.read(3)
    code = _PrefixCode(of_lengths)
    left = 2 + bits.read(2 + 2 * bits.read(3)) if bits.read(1) else size
    if left > size:
        raise _Wrong
    at, previous = 0, _USUAL_LENGTH
    while at < size and left:
        left -= 1
        bits.count_symbol()
        length = code.read(bits)
        count = 1
        if length == _PREVIOUS:
            length, count = previous, 3 + bits.read(2)
        elif length == _FEW_ZEROS:
            length, count = 0, 3 + bits.read(3)
        elif length == _MANY_ZEROS:
            length, count = 0, 11 + bits.read(7)
        if at + count > size:
            raise _Wrong
        lengths[at : at + count] = [length] * count
        at += count
        previous = length or previous
    return _PrefixCode(lengths)
