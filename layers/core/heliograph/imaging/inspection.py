"""One image, from its first byte to its end: what it is, or why it is none."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from heliograph.imaging.jpeg import JpegReader
from heliograph.imaging.pieces import Pieces, Reading
from heliograph.imaging.png import PngReader
from heliograph.imaging.webp import SUSPICIOUS_ZEROS, WebpReader
from heliograph.kernel.errors import UnusableImage
from heliograph.kernel.media_types import SNIFF_BYTES, MediaType, sniff

# Unless it is thorough, so much of a JPEG is read in any case, and where in its last bytes the end marker must be.
SKIMMED_AFTER_BYTES = 256 * 1024
_TAIL_BYTES = 64 * 1024
_END_MARKER = b"\xff\xd9"
_END_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself; sizes in pixels."""

    media_type: MediaType
    width: int
    height: int


class Inspection:
    """Takes an image in pieces, of any size, and forgets them; takes little memory whatever comes.

    `size_bytes`: of the whole, if that is known beforehand: damage then shows sooner. Unless it is `thorough`, of the
    pixels of a large JPEG only the beginning and the end are read; what these leave `in_doubt` is to be read again.
    """

    def __init__(self, *, size_bytes: int | None = None, thorough: bool = True) -> None:
        self._size_bytes = size_bytes
        self._thorough = thorough
        self._read_bytes = 0
        # The last bytes of what is not read otherwise.
        self._tail: bytes | None = None
        self._begins = b""
        self._media_type: MediaType | None = None
        self._pieces: Pieces | None = None
        self._reading: Generator[None, bytes, None] | None = None
        self._problem: UnusableImage | None = None
        # Nothing that may still come changes what is known.
        self.is_over = False

    def read(self, piece: bytes) -> None:
        """The next bytes of it. Costs nothing once it is over."""
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
        """Whether its end was not seen where it was looked for. Something may follow it, or it is broken."""
        return self._tail is not None and not self.ends_as_it_should(self._tail)

    @property
    def is_in_pixels(self) -> bool:
        """Whether all that comes before the pixels was read, and is well."""
        return self._pieces is not None and self._pieces.in_pixels and self._problem is None

    def ends_as_it_should(self, tail: bytes) -> bool:
        """Whether an image of which the middle was not read has the end of a whole one, by its last bytes.

        If not, it is cut, or filled with zeros; or something follows its end that is longer than `tail`.
        """
        if self._media_type is MediaType.JPEG:
            return _END_MARKER in tail
        if self._media_type is MediaType.PNG:
            return _END_CHUNK in tail
        return not tail.endswith(bytes(SUSPICIOUS_ZEROS))

    @property
    def facts(self) -> ImageFacts:
        """What is known by now. Raises `UnusableImage` for what is no image, or a broken or too large one."""
        if self._problem:
            raise self._problem
        if self._media_type is None or self._pieces is None or self._pieces.size is None:
            raise UnusableImage("it is no JPEG, PNG or WEBP by its bytes", again=True)
        return ImageFacts(self._media_type, *self._pieces.size)

    def end(self) -> ImageFacts:
        """All of it was read. Raises as `facts` does."""
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
            # The marker may begin with it. What is before that was read: an end marker in it is of a preview.
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
