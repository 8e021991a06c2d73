"""Image formats, recognised by their first bytes: an extension or a header may be wrong."""

from __future__ import annotations

from enum import StrEnum

# How many bytes `sniff` needs to decide.
SNIFF_BYTES = 16


class MediaType(StrEnum):
    """The formats that the model reads and writes."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"

    @property
    def extension(self) -> str:
        """The customary file extension, without the dot."""
        return "jpg" if self is MediaType.JPEG else self.value.removeprefix("image/")


def sniff(head: bytes) -> MediaType | None:
    """The format that these first bytes announce; `None` for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return MediaType.WEBP
    return None
