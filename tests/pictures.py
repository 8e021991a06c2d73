"""Small pictures that are pictures, from a real encoder."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from heliograph.imaging.inspection import ImageFacts, Inspection
from PIL import Image, ImageDraw

# From public bug reports.
IMAGES = Path(__file__).parent / "images"
_END_CHUNK_BYTES = 12


def encoded(image: Image.Image, kind: str, **how: Any) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def png(width: int = 3, height: int = 2, size_bytes: int | None = None) -> bytes:
    """A PNG; of exactly `size_bytes`, if that is said: filled up with something that is not shown."""
    body = encoded(Image.new("RGB", (width, height), "teal"), "PNG")
    if size_bytes is None:
        return body
    at = len(body) - _END_CHUNK_BYTES
    filling = size_bytes - len(body) - _END_CHUNK_BYTES
    return body[:at] + png_chunk(b"fiLl", bytes(filling)) + body[at:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(width: int = 3, height: int = 2) -> bytes:
    """A JPEG."""
    return encoded(Image.new("RGB", (width, height), "teal"), "JPEG")


@cache
def large_jpeg() -> bytes:
    """A JPEG of noise, of 900 KB and 1000 by 900 pixels. Always the same."""
    noise = Image.frombytes("RGB", (1000, 900), random.Random(3).randbytes(3 * 1000 * 900))
    return encoded(noise, "JPEG", quality=95)


def webp(width: int = 3, height: int = 2) -> bytes:
    """A lossy WEBP."""
    return encoded(Image.new("RGB", (width, height), "teal"), "WEBP")


def scene(width: int = 97, height: int = 61) -> Image.Image:
    """Something of everything: noise, a slope, an edge, and a flat bottom. Always the same."""
    noise = Image.frombytes("L", (width, height), random.Random(1).randbytes(width * height))
    image = noise.point([96 + level // 4 for level in range(256)]).convert("RGB")
    image.paste(Image.linear_gradient("L").resize((width, height // 3 + 1)).convert("RGB"), (0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, width // 2, height // 2), fill="teal")
    draw.rectangle((0, height * 3 // 4, width, height), fill="white")
    return image


def inspected(image: bytes, *, piece_bytes: int = 1 << 20, known_size: bool = False) -> ImageFacts:
    """What the image is, read in pieces of that size."""
    inspection = Inspection(size_bytes=len(image) if known_size else None)
    for start in range(0, len(image), piece_bytes):
        inspection.read(image[start : start + piece_bytes])
    return inspection.end()


PNG, JPEG, WEBP = png(), jpeg(), webp()
