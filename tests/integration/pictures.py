"""The smallest pictures that are pictures: their headers name a size."""

from __future__ import annotations

import struct

JPEG_HEAD = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")


def png(width: int = 3, height: int = 2, size_bytes: int = 64) -> bytes:
    """A PNG by its header; filled up to `size_bytes`."""
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\x00\x00\x00"
    return header.ljust(size_bytes, b"\0")


def jpeg(width: int = 3, height: int = 2) -> bytes:
    """A JPEG by its header and its frame."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return JPEG_HEAD + frame + b"\xff\xd9"


def webp(width: int = 3, height: int = 2) -> bytes:
    """A lossy WebP by its headers."""
    frame = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8)
    chunk = b"VP8 " + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
