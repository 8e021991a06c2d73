"""From an order to the bytes of a picture: exact ratio, prompt in the picture, an honest caption. Blocking:
run it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import random
import warnings
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from local.upstream.catalogue import RESOLUTION_LONG_SIDE_PX
from local.upstream.compositions import Palette, Size, compose, palette_for
from local.upstream.edits import frame_one, fuse
from local.upstream.lettering import Lines, fit, font_for

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

_TAKEN_FORMATS = ("JPEG", "PNG", "WEBP")
_SMALLEST_SIDE_PX = 64
_LARGEST_READ_PX = 2048  # references are reduced to this first: no picture shows more of them


class UnreadableReference(ValueError):
    """A reference has the right first bytes and is no picture all the same; the text says which one."""


@dataclass(frozen=True)
class Commission:
    """All a picture depends on; the same commission gives the same picture, but for a faint grain."""

    model: str
    prompt: str
    aspect_ratio: str
    references: tuple[bytes, ...] = ()
    output_format: str = "jpeg"
    long_side_px: int = 1280
    resolution: str | None = None


def paint(commission: Commission) -> bytes:
    """Draw the picture and encode it, without metadata. Raises ``UnreadableReference``."""
    # Seeded by the prompt so that a demo can be repeated; nothing secret hangs on it.
    chance = random.Random(hashlib.sha256(commission.prompt.encode()).digest())
    palette = palette_for(commission.prompt, chance)
    references = [_opened(data, position) for position, data in enumerate(commission.references, start=1)]
    long_side = RESOLUTION_LONG_SIDE_PX.get(commission.resolution or "", commission.long_side_px)
    size = canvas_size(commission.aspect_ratio, long_side, references[0].size if references else None)
    caption = f"simulated · {commission.model}"
    if references:
        canvas = _edit(size, references, palette, chance, prompt=commission.prompt, caption=caption)
    else:
        canvas = _illustration(size, palette, chance, commission.prompt, caption)
    return _encoded(canvas, commission.output_format)


def canvas_size(aspect_ratio: str, long_side_px: int, first_reference: Size | None) -> Size:
    """Width and height with exactly the ratio; ``auto`` is square, or follows the first reference [inferred]."""
    if aspect_ratio != "auto":
        wide, tall = (int(part) for part in aspect_ratio.split(":"))
        unit = max(1, long_side_px // max(wide, tall))
        return wide * unit, tall * unit
    wide, tall = first_reference or (1, 1)
    scale = long_side_px / max(wide, tall)
    return max(_SMALLEST_SIDE_PX, round(wide * scale)), max(_SMALLEST_SIDE_PX, round(tall * scale))


def _illustration(size: Size, palette: Palette, chance: random.Random, prompt: str, caption: str) -> Image.Image:
    canvas = compose(size, palette, chance)
    width, height = size
    margin = round(min(size) * 0.06)
    tall = height > width
    lines = fit(
        prompt,
        width - 2 * margin,
        round(height * (0.3 if tall else 0.36)),
        largest_px=max(10, round(min(size) * 0.075)),
        smallest_px=max(8, round(min(size) * 0.026)),
    )
    caption_px = _caption_px(size)
    top = height - margin - caption_px * 2 - lines.height_px
    _scrim(canvas, max(0, top - round(height * 0.2)))
    draw = ImageDraw.Draw(canvas)
    bar = max(2, round(min(size) * 0.005))
    draw.rectangle(
        (margin, top - bar * 5, margin + round(width * 0.07), top - bar * 4),
        fill=palette.shade(0.5, 0.78, 0.8),
    )
    _write(canvas, lines, (margin, top))
    _sign(canvas, caption, (margin, height - margin), anchor="ls")
    return canvas


def _edit(
    size: Size,
    references: list[Image.Image],
    palette: Palette,
    chance: random.Random,
    *,
    prompt: str,
    caption: str,
) -> Image.Image:
    width, height = size
    margin = round(min(size) * 0.05)
    lines = fit(
        prompt,
        width - 2 * margin,
        round(height * 0.11),
        largest_px=max(10, round(min(size) * 0.042)),
        smallest_px=max(8, round(min(size) * 0.024)),
    )
    strip = lines.height_px + round(_caption_px(size) * 2.1)
    area = (margin, margin, width - margin, height - margin - strip - margin // 2)
    if len(references) == 1:
        canvas = frame_one(size, references[0], palette, chance, area)
    else:
        canvas = fuse(size, references, palette, area)
    _scrim(canvas, area[3])
    _write(canvas, lines, (margin, height - margin - strip))
    label = f"{caption} · edit of {len(references)} reference{'s' if len(references) > 1 else ''}"
    _sign(canvas, label, (margin, height - margin), anchor="ls")
    return canvas


def _scrim(canvas: Image.Image, top: int) -> None:
    """Darken towards the bottom, so that white text can be read on any picture."""
    depth = canvas.height - top
    ramp = Image.linear_gradient("L").point(lambda level: min(205, round(level * 1.15)))
    canvas.paste((6, 7, 14), (0, top), ramp.resize((canvas.width, max(1, depth))))


def _write(canvas: Image.Image, lines: Lines, place: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(canvas)
    shift = max(1, lines.line_height_px // 26)
    for number, line in enumerate(lines.lines):
        y = place[1] + number * lines.line_height_px
        draw.text((place[0] + shift, y + shift), line, font=lines.font, fill=(0, 0, 0))
        draw.text((place[0], y), line, font=lines.font, fill=(255, 255, 255))


def _caption_px(size: Size) -> int:
    return max(8, round(min(size) * 0.02))


def _sign(canvas: Image.Image, caption: str, place: tuple[int, int], *, anchor: str) -> None:
    """Say that this is no work of the model: a simulated picture must never pass for a real one."""
    ImageDraw.Draw(canvas).text(
        place, caption, font=font_for(caption, _caption_px(canvas.size)), fill=(206, 210, 222), anchor=anchor
    )


def _opened(data: bytes, position: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Beyond Pillow's bomb limit a picture is refused here, and not just warned about.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_TAKEN_FORMATS) as picture:
                picture.draft("RGB", (_LARGEST_READ_PX, _LARGEST_READ_PX))
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((_LARGEST_READ_PX, _LARGEST_READ_PX))
                return _on_white(upright)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as wrong:
        raise UnreadableReference(f"Reference image {position} cannot be decoded") from wrong


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        paper = Image.new("RGB", layered.size, (255, 255, 255))
        paper.paste(layered, (0, 0), layered)
        return paper
    return picture.convert("RGB")


def _encoded(canvas: Image.Image, output_format: str) -> bytes:
    out = io.BytesIO()
    if output_format == "png":
        canvas.save(out, "PNG", compress_level=3)
    elif output_format == "webp":
        canvas.save(out, "WEBP", quality=88, method=2)
    else:
        canvas.save(out, "JPEG", quality=90, subsampling=0)
    return out.getvalue()
