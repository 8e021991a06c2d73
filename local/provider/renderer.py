"""Images of the simulated models: a drawn scene for a prompt, duotone prints for an edit. Blocking: run in a thread.

The same spec gives the same bytes. The prompt is written into the image, and a caption says that it is simulated.
"""

from __future__ import annotations

import colorsys
import contextlib
import hashlib
import io
import itertools
import math
import random
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps

from local.provider.catalogue import RESOLUTION_LONG_SIDE_PX

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

Colour = tuple[int, ...]
Size = tuple[int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_READABLE_FORMATS = ("JPEG", "PNG", "WEBP")
_MIN_SIDE_PX = 64
_MAX_REFERENCE_PX = 2048  # references are reduced to this first: no image shows more of them
_OVERSAMPLING = 2  # scenes are drawn larger and reduced: Pillow's shapes have jagged edges
_PROMPT_CHARACTERS = 110
_MIN_SATURATION = 0.3  # below it a colour's name says nothing about a hue: white, gray
# Fonts for scripts that Pillow's own lacks; Pillow looks for them in the system's folders.
_FONTS = (
    *("DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf", "NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc"),
    *("PingFang.ttc", "Arial Unicode.ttf", "msyh.ttc", "NotoSansArabic-Bold.ttf", "NotoSansDevanagari-Bold.ttf"),
)


class UnreadableReference(ValueError):
    """A reference image that cannot be decoded; the text names its position."""


@dataclass(frozen=True)
class ImageSpec:
    """All that an image depends on."""

    model: str
    prompt: str
    aspect_ratio: str
    references: tuple[bytes, ...] = ()
    output_format: str = "jpeg"
    long_side_px: int = 1280
    resolution: str | None = None


def render(spec: ImageSpec) -> bytes:
    """The encoded image, without metadata. Raises ``UnreadableReference``."""
    chance = random.Random(hashlib.sha256(spec.prompt.encode()).digest())
    hue = _hue(spec.prompt, chance)
    references = [_decoded(data, position) for position, data in enumerate(spec.references, start=1)]
    long_side = RESOLUTION_LONG_SIDE_PX.get(spec.resolution or "", spec.long_side_px)
    size = canvas_size(spec.aspect_ratio, long_side, references[0].size if references else None)
    caption = f"simulated · {spec.model}"
    if references:
        canvas = _edit(size, references, hue)
        caption += f" · edit of {len(references)} reference{'s' if len(references) > 1 else ''}"
    else:
        scene = chance.choice((_hills, _tiles))
        canvas = scene((size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING), hue, chance).reduce(_OVERSAMPLING)
    _write(canvas, spec.prompt, caption)
    out = io.BytesIO()
    options = {"png": {"compress_level": 3}, "webp": {"quality": 88, "method": 2}}
    canvas.save(out, spec.output_format, **options.get(spec.output_format, {"quality": 90, "subsampling": 0}))
    return out.getvalue()


def canvas_size(aspect_ratio: str, long_side_px: int, first_reference: Size | None) -> Size:
    """Width and height with exactly the ratio; ``auto`` is square, or follows the first reference [inferred]."""
    if aspect_ratio != "auto":
        wide, tall = (int(part) for part in aspect_ratio.split(":"))
        unit = max(1, long_side_px // max(wide, tall))
        return wide * unit, tall * unit
    wide, tall = first_reference or (1, 1)
    scale = long_side_px / max(wide, tall)
    return max(_MIN_SIDE_PX, round(wide * scale)), max(_MIN_SIDE_PX, round(tall * scale))


def _hue(prompt: str, chance: random.Random) -> int:
    """Hue in degrees: of the first colour that the prompt names, else drawn."""
    for word in re.findall(r"[a-z]+", prompt.lower()):
        if word in ImageColor.colormap:
            red, green, blue = (channel / 255 for channel in ImageColor.getrgb(word)[:3])
            hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
            if saturation > _MIN_SATURATION:
                return round(hue * 360)
    return chance.randrange(360)


def _hsl(hue: float, saturation: float, lightness: float) -> Colour:
    return ImageColor.getrgb(f"hsl({hue % 360:.0f},{saturation:.0f}%,{lightness:.0f}%)")


def _hills(size: Size, hue: int, chance: random.Random) -> Image.Image:
    """Ridges below a sun, each darker than the one behind it."""
    (width, height), short = size, min(size)
    sky = Image.linear_gradient("L").resize(size)
    canvas = ImageOps.colorize(sky, _hsl(hue, 55, 28), _hsl(hue + 55, 80, 80), mid=_hsl(hue + 20, 60, 52))
    x, y = round(width * chance.uniform(0.2, 0.8)), round(height * chance.uniform(0.22, 0.34))
    halo = (
        Image.radial_gradient("L").resize((short, short)).point([max(0, 170 - level * 4 // 3) for level in range(256)])
    )
    canvas.paste(_hsl(hue + 60, 95, 88), (x - short // 2, y - short // 2), halo)
    draw = ImageDraw.Draw(canvas)
    draw.circle((x, y), short * 0.1, _hsl(hue + 60, 95, 90))
    for layer in range(6):
        waves = [(chance.uniform(0.7, 2) * 2**k, chance.uniform(0, math.tau), short * 0.05 / 2**k) for k in range(4)]
        level = height * (0.42 + 0.09 * layer)
        ridge = [
            (at, level + sum(high * math.sin(pace * math.tau * at / width + start) for pace, start, high in waves))
            for at in range(0, width + 12, 12)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], fill=_hsl(hue + 30 - layer * 7, 45, 60 - layer * 9))
    return canvas


def _tiles(size: Size, hue: int, chance: random.Random) -> Image.Image:
    """A grid of discs, arches and quarter discs in five colours, like a printed poster."""
    shades = ((0, 55, 20), (12, 60, 42), (190, 75, 60), (35, 70, 74), (45, 50, 92))
    inks = [_hsl(hue + turn, saturation, lightness) for turn, saturation, lightness in shades]
    edge = min(size) // chance.choice((3, 4, 5))
    columns, rows = round(size[0] / edge), round(size[1] / edge)
    canvas = Image.new("RGB", size)
    for column, row in itertools.product(range(columns), range(rows)):
        paper, outer, inner = chance.sample(inks, 3)
        (x, y), radius = chance.choice((((0.5, 0.5), 0.4), ((0, 0), 1), ((0.5, 0), 0.5)))
        tile = Image.new("RGB", (edge, edge), paper)
        ImageDraw.Draw(tile).circle((x * edge, y * edge), radius * edge, outer)
        ImageDraw.Draw(tile).circle((x * edge, y * edge), radius * edge * 0.5, inner)
        left, top = size[0] * column // columns, size[1] * row // rows
        right, bottom = size[0] * (column + 1) // columns, size[1] * (row + 1) // rows
        canvas.paste(tile.rotate(90 * chance.randrange(4)).resize((right - left, bottom - top)), (left, top))
    return canvas


def _edit(size: Size, references: list[Image.Image], hue: int) -> Image.Image:
    """The references as duotone prints, each in a colour of its own, on a blurred enlargement of the first."""
    backdrop = ImageOps.fit(references[0], (max(1, size[0] // 16), max(1, size[1] // 16)))
    backdrop = _duotone(backdrop.filter(ImageFilter.GaussianBlur(2)), hue).point(
        [level // 2 for level in range(256)] * 3
    )
    canvas = backdrop.resize(size, Image.Resampling.BICUBIC)
    count, margin = len(references), round(min(size) * 0.06)
    width, height = size[0] - margin, size[1] - margin - _text_band_px(size)
    columns = min(count, max(1, round(math.sqrt(count * width / height))))
    rows = math.ceil(count / columns)
    for number, reference in enumerate(references):
        row, column = divmod(number, columns)
        in_row = min(columns, count - row * columns)  # the last row may be short: its prints grow wider
        cell = max(1, width // in_row - margin), max(1, height // rows - margin)
        reduced = ImageOps.contain(reference, cell) if count == 1 else ImageOps.fit(reference, cell)
        x = margin + column * (width // in_row) + (cell[0] - reduced.width) // 2
        y = margin + row * (height // rows) + (cell[1] - reduced.height) // 2
        border = max(1, margin // 6)
        print_ = ImageOps.expand(_duotone(reduced, hue + 360 * number // count), border, _hsl(hue, 25, 97))
        canvas.paste(print_, (x - border, y - border))
    return canvas


def _duotone(image: Image.Image, hue: int) -> Image.Image:
    grey = ImageOps.autocontrast(ImageOps.grayscale(image), cutoff=1)
    return ImageOps.colorize(grey, _hsl(hue, 60, 13), _hsl(hue + 45, 80, 95), mid=_hsl(hue + 12, 48, 52))


def _text_band_px(size: Size) -> int:
    return round(min(size) * 0.2)


def _write(canvas: Image.Image, prompt: str, caption: str) -> None:
    """The prompt in short and the caption, white on a shade at the lower edge."""
    short, margin = min(canvas.size), round(min(canvas.size) * 0.06)
    shade = Image.linear_gradient("L").resize((canvas.width, _text_band_px(canvas.size) * 3 // 2))
    canvas.paste(
        (6, 7, 14), (0, canvas.height - shade.height), shade.point([min(210, level * 7 // 5) for level in range(256)])
    )
    draw = ImageDraw.Draw(canvas)
    text = " ".join(prompt.split())
    text = text if len(text) <= _PROMPT_CHARACTERS else text[: _PROMPT_CHARACTERS - 1].rstrip() + "…"
    font = _font(frozenset(text), max(8, round(short * 0.046)))
    text = "".join(each for each in text if _has(font, each))
    lines = _wrapped(text, font, canvas.width - 2 * margin)
    bottom = canvas.height - margin
    draw.text((margin, bottom), caption, (206, 210, 222), _font(frozenset(), max(8, round(short * 0.022))), "ls")
    draw.multiline_text((margin, bottom - short * 0.05), "\n".join(lines), (255, 255, 255), font, "ld")


def _wrapped(text: str, font: Font, width_px: int) -> list[str]:
    """Lines that fit the width. Long words and scripts without spaces break anywhere."""
    lines = [""]
    for word in re.findall(r"[^\s\u2e80-\uffff]{1,16}\s?|.", text):
        if lines[-1] and font.getlength((lines[-1] + word).rstrip()) > width_px:
            lines.append("")
        lines[-1] += word
    return lines


@lru_cache(maxsize=256)
def _font(characters: frozenset[str], size_px: int) -> Font:
    """Pillow's own font, or the system's font that has more of the characters."""
    fonts: list[Font] = [ImageFont.load_default(size_px)]
    for name in () if all(each.isascii() for each in characters) else _FONTS:
        with contextlib.suppress(OSError):
            fonts.append(ImageFont.truetype(name, size_px))
    return max(fonts, key=lambda font: sum(_has(font, each) for each in characters))


def _has(font: Font, character: str) -> bool:
    missing = "\U0010fffe"  # no font has this one
    return character.isascii() or bytes(font.getmask(character)) != bytes(font.getmask(missing))


def _decoded(data: bytes, position: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Beyond Pillow's limit for decompression bombs an image is refused here, not just warned about.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_READABLE_FORMATS) as image:
                image.draft("RGB", (_MAX_REFERENCE_PX, _MAX_REFERENCE_PX))
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((_MAX_REFERENCE_PX, _MAX_REFERENCE_PX))
                if upright.has_transparency_data:
                    layer = upright.convert("RGBA")
                    upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
                return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as wrong:
        raise UnreadableReference(f"Reference image {position} cannot be decoded") from wrong
