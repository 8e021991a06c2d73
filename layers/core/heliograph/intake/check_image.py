"""Whether a stored object is an image that a model can read: looked at from both ends, or read through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from heliograph.imaging.inspection import Inspection
from heliograph.jobs.reference_uploads import MAX_REFERENCE_BYTES
from heliograph.kernel.errors import UnusableImage
from heliograph.kernel.media_types import SNIFF_BYTES, sniff

if TYPE_CHECKING:
    from heliograph.storage.objects import ObjectFacts
    from heliograph.storage.ports import ObjectStore
    from heliograph.storage.references import ObjectLocation

# What a first look reads: all that cameras write before the pixels, and many images whole.
HEAD_BYTES = 256 * 1024
TAIL_BYTES = 64 * 1024
# Of all images of a request that their two ends do not settle: their caller is waiting.
MOST_READ_BYTES = 96 * 1024 * 1024


class Digest(Protocol):
    """A hash that is being computed."""

    def update(self, data: bytes, /) -> None:
        """Takes the next bytes."""
        ...


class ImageCheck:
    """Checks the images of one request."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._left_bytes = MOST_READ_BYTES

    def look(self, location: ObjectLocation) -> ObjectFacts | None:
        """The facts that `problem` asks for."""
        return self._objects.head(location, head_bytes=HEAD_BYTES)

    def problem(
        self, location: ObjectLocation, facts: ObjectFacts, *, whole: bool = False, digest: Digest | None = None
    ) -> str | None:
        """Why the object can't be a reference, and what to do; `None` if it can.

        From its beginning and its end, unless the `whole` of it is to be read: one that was cut anywhere, or filled up
        with zeros, has not the end of a whole one. One with something behind its end is read to there.
        `digest`: takes every byte, unless there is a problem. Raises `StorageFailed`.
        """
        if problem := _at_first_sight(facts.size_bytes, facts.head):
            return problem
        if digest:
            digest.update(facts.head)
        # The very bytes that were seen.
        location = replace(location, version_id=location.version_id or facts.version_id)
        inspection = Inspection(size_bytes=facts.size_bytes)
        inspection.read(facts.head)
        if len(facts.head) == facts.size_bytes or (inspection.is_over and digest is None):
            return _at_its_end(inspection)
        if not whole and digest is None:
            if inspection.is_in_pixels and inspection.ends_as_it_should(self._tail(location, facts)):
                return None
            self._left_bytes -= facts.size_bytes
            if self._left_bytes < 0:
                return "does not end where the image does, and is too much to read with the others: send it alone"
        self._read_on(inspection, location, len(facts.head), digest)
        return _at_its_end(inspection)

    def _tail(self, location: ObjectLocation, facts: ObjectFacts) -> bytes:
        # Nothing of what was read already: a preview in an image's header has an end, too.
        start = max(len(facts.head), facts.size_bytes - TAIL_BYTES)
        with self._objects.rest(location, start=start) as pieces:
            return b"".join(pieces)

    def _read_on(
        self, inspection: Inspection, location: ObjectLocation, start: int, digest: Digest | None = None
    ) -> None:
        with self._objects.rest(location, start=start) as pieces:
            for piece in pieces:
                inspection.read(piece)
                if digest:
                    digest.update(piece)
                elif inspection.is_over:
                    return


def problem_of(image: bytes) -> str | None:
    """The same of an image in memory."""
    if problem := _at_first_sight(len(image), image):
        return problem
    inspection = Inspection(size_bytes=len(image))
    inspection.read(image)
    return _at_its_end(inspection)


def _at_first_sight(size_bytes: int, head: bytes) -> str | None:
    if size_bytes == 0:
        return "is empty"
    if size_bytes > MAX_REFERENCE_BYTES:
        return f"has {size_bytes} bytes; at most {MAX_REFERENCE_BYTES} are allowed"
    return "is no JPEG, PNG or WEBP by its bytes" if sniff(head[:SNIFF_BYTES]) is None else None


def _at_its_end(inspection: Inspection) -> str | None:
    try:
        inspection.end()
    except UnusableImage as problem:
        return f"is broken: {problem}; send the whole file again" if problem.again else f"is too large: {problem}"
    return None
