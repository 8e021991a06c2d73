"""Inspection of an image from its first byte to its end: its type and size, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from heliograph.imaging.jpeg import JpegReader
from heliograph.imaging.pieces import Pieces, Reading
from heliograph.imaging.png import PngReader
from heliograph.imaging.webp import SUSPICIOUS_ZEROS, WebpReader
from heliograph.kernel.errors import UnusableImage
from heliograph.kernel.media_types import SNIFF_BYTES, MediaType, sniff

# Bytes of a JPEG that are always read, and the last bytes, in which the end marker must be, unless it is thorough.
SKIMMED_AFTER_BYTES = 256 * 1024
_TAIL_BYTES = 64 * 1024
_END_MARKER = b"\xff\xd9"
_END_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Type of an image, and its size in pixels."""

    media_type: MediaType
    width: int
    height: int


class Inspection:
    """Reads an image in pieces of any size, in little memory.

    `size_bytes`: of the whole image, if known beforehand: damage then shows sooner. Unless `thorough`, only the
    beginning and the end of a large JPEG's pixels are read; if these leave it `in_doubt`, read it again, thoroughly.
    """

    def __init__(self, *, size_bytes: int | None = None, thorough: bool = True) -> None:
        self._size_bytes = size_bytes
        self._thorough = thorough
        self._read_bytes = 0
        # The last bytes of the part that is skipped.
        self._tail: bytes | None = None
        self._begins = b""
        self._media_type: MediaType | None = None
        self._pieces: Pieces | None = None
        self._reading: Generator[None, bytes, None] | None = None
        self._problem: UnusableImage | None = None
        # The result is final, whatever follows.
        self.is_over = False

    def read(self, piece: bytes) -> None:
        """Reads the next bytes. Costs nothing once the inspection is over."""
        if self.is_over or not piece:
            return
        if self._tail is not None:
            self._tail = piece[-_TAIL_BYTES:] if len(piece) >= _TAIL_BYTES else (self._tail + piece)[-_TAIL_BYTES:]
            return
        self._read_bytes += len(piece)
        if self._reading is not None:
            self._go_on(piece)
            self._skim_from_here(piece)
            return
        self._begins += piece
        if len(self._begins) >= SNIFF_BYTES:
            self._begin()

    @property
    def in_doubt(self) -> bool:
        """Whether the end marker was not found in the last bytes: something follows it, or the image is broken."""
        return self._tail is not None and not self.ends_as_it_should(self._tail)

    @property
    def is_in_pixels(self) -> bool:
        """Whether everything before the pixels was read and is valid."""
        return self._pieces is not None and self._pieces.in_pixels and self._problem is None

    def ends_as_it_should(self, tail: bytes) -> bool:
        """Whether `tail` is the end of a whole image, of which the middle was not read.

        If not, the image is cut, or filled with zeros; or something longer than `tail` follows its end.
        """
        if self._media_type is MediaType.JPEG:
            return _END_MARKER in tail
        if self._media_type is MediaType.PNG:
            return _END_CHUNK in tail
        return not tail.endswith(bytes(SUSPICIOUS_ZEROS))

    @property
    def facts(self) -> ImageFacts:
        """The facts known so far. Raises `UnusableImage` if it is no image, or a broken or too large one."""
        if self._problem:
            raise self._problem
        if self._media_type is None or self._pieces is None or self._pieces.size is None:
            raise UnusableImage("it is no JPEG, PNG or WEBP by its bytes", again=True)
        return ImageFacts(self._media_type, *self._pieces.size)

    def end(self) -> ImageFacts:
        """Ends the inspection after the last byte. Raises as `facts` does."""
        if self._reading is None:
            self._begin()
        if self._pieces and self.in_doubt:
            raise self._pieces.broken("does not end with its end marker")
        if self._tail is None:
            self._go_on(b"")
        return self.facts

    def _begin(self) -> None:
        self._media_type = media_type = sniff(self._begins[:SNIFF_BYTES])
        if media_type is None:
            self.is_over = True
            return
        self._pieces = Pieces(media_type.name, size_bytes=self._size_bytes)
        self._reading = _reader_of(media_type, self._pieces)
        self._go_on(None)
        if self._begins:
            self._go_on(self._begins)

    def _skim_from_here(self, piece: bytes) -> None:
        is_long = self._read_bytes >= SKIMMED_AFTER_BYTES
        may_skim = not self._thorough and not self.is_over and self._media_type is MediaType.JPEG
        if may_skim and is_long and self.is_in_pixels:
            # The marker may begin in this byte. Bytes before it were read: an end marker there ends a preview.
            self._tail = piece[-1:]

    def _go_on(self, piece: bytes | None) -> None:
        if self._reading is None or self.is_over:
            return
        try:
            # A generator begins with `None`.
            self._reading.send(piece)  # type: ignore[arg-type]
        except StopIteration:
            self.is_over = True
        except UnusableImage as problem:
            self._problem = problem
            self.is_over = True


def _reader_of(media_type: MediaType, pieces: Pieces) -> Reading[None]:
    match media_type:
        case MediaType.JPEG:
            return JpegReader(pieces).read()
        case MediaType.PNG:
            return PngReader(pieces).read()
        case MediaType.WEBP:
            return WebpReader(pieces).read()
