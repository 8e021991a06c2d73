"""What an edit does to its references: one is redrawn and framed, several are fused into a numbered collage."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from local.upstream.compositions import Palette, Size, colour
from local.upstream.lettering import font_for

Box = tuple[int, int, int, int]
_INK_BELOW_LEVEL = 96

Treatment = Callable[[Image.Image, float], Image.Image]


def redraw(picture: Image.Image, palette: Palette, chance: random.Random) -> Image.Image:
    """The same subject in another technique, plainly not the original."""
    treatment: Treatment = chance.choice((_duotone, _ink, _halftone))
    return treatment(picture, palette.base)


def frame_one(size: Size, reference: Image.Image, palette: Palette, chance: random.Random, area: Box) -> Image.Image:
    """One reference, redrawn, whole, in a frame inside ``area``, before a blurred version of itself."""
    canvas = _backdrop(size, [reference], palette)
    width, height = area[2] - area[0], area[3] - area[1]
    inner = ImageOps.contain(reference, (max(1, width), max(1, height)), Image.Resampling.LANCZOS)
    place = (area[0] + (width - inner.width) // 2, area[1] + (height - inner.height) // 2)
    _hang(canvas, redraw(inner, palette, chance), place, mat=round(min(size) * 0.012))
    return canvas


def fuse(size: Size, references: list[Image.Image], palette: Palette, area: Box) -> Image.Image:
    """Every reference in its own tint, numbered in the order sent, in the grid that wastes least room."""
    canvas = _backdrop(size, references, palette)
    width, height = area[2] - area[0], area[3] - area[1]
    count = len(references)
    columns = min(range(1, count + 1), key=lambda each: _squareness(each, count, width, height))
    rows = math.ceil(count / columns)
    gap = round(min(size) * 0.026)
    tall = (height - gap * (rows - 1)) // rows
    for row in range(rows):
        in_row = references[row * columns : (row + 1) * columns]
        # The last row may be short: its tiles grow wider instead of leaving holes.
        wide = (width - gap * (len(in_row) - 1)) // len(in_row)
        for column, reference in enumerate(in_row):
            number = row * columns + column
            tile = ImageOps.fit(reference, (max(1, wide), max(1, tall)), Image.Resampling.LANCZOS)
            tint = palette.base + number / count
            tile = Image.blend(tile, (_duotone, _ink)[number % 2](tile, tint), 0.72)
            place = (area[0] + column * (wide + gap), area[1] + row * (tall + gap))
            _hang(canvas, tile, place, mat=round(min(size) * 0.006))
            _badge(canvas, place, number + 1, tint, min(wide, tall))
    return canvas


def _squareness(columns: int, count: int, width: int, height: int) -> float:
    rows = math.ceil(count / columns)
    holes = rows * columns - count
    return abs(math.log((width / columns) / (height / rows))) + 0.25 * holes / columns


def _backdrop(size: Size, references: list[Image.Image], palette: Palette) -> Image.Image:
    """All references laid over each other, blurred and darkened, so that the canvas has their colours."""
    small = (max(1, size[0] // 8), max(1, size[1] // 8))
    mix = ImageOps.fit(references[0], small)
    for number, reference in enumerate(references[1:], start=2):
        mix = Image.blend(mix, ImageOps.fit(reference, small), 1 / number)
    mix = mix.filter(ImageFilter.GaussianBlur(max(2, min(small) // 14)))
    mix = Image.blend(mix, Image.new("RGB", small, palette.shade(0.5, 0.14, 0.45)), 0.5)
    return mix.resize(size, Image.Resampling.BICUBIC)


def _hang(canvas: Image.Image, picture: Image.Image, place: tuple[int, int], *, mat: int) -> None:
    """Put a picture on the canvas with a pale mat and a soft shadow."""
    depth = max(4, min(canvas.size) // 60)
    frame = (place[0] - mat, place[1] - mat, place[0] + picture.width + mat, place[1] + picture.height + mat)
    shadow = Image.new("L", (frame[2] - frame[0] + depth * 4, frame[3] - frame[1] + depth * 4), 0)
    ImageDraw.Draw(shadow).rectangle(
        (depth * 2, depth * 2, shadow.width - depth * 2, shadow.height - depth * 2), fill=150
    )
    shadow = shadow.filter(ImageFilter.GaussianBlur(depth * 0.8))
    canvas.paste((0, 0, 0), (frame[0] - depth * 2, frame[1] - depth * 2 + depth // 2), shadow)
    if mat > 0:
        ImageDraw.Draw(canvas).rectangle((frame[0], frame[1], frame[2] - 1, frame[3] - 1), fill=(246, 243, 236))
    canvas.paste(picture, place)


def _badge(canvas: Image.Image, place: tuple[int, int], number: int, hue: float, tile_px: int) -> None:
    radius = max(9, round(tile_px * 0.085))
    offset = round(radius * 0.45)
    scale = 4
    disc = Image.new("L", (radius * 2 * scale, radius * 2 * scale), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    corner = (place[0] + offset, place[1] + offset)
    canvas.paste(colour(hue, 0.2, 0.6), corner, disc.reduce(scale))
    ImageDraw.Draw(canvas).text(
        (corner[0] + radius, corner[1] + radius),
        str(number),
        font=font_for("0", round(radius * 1.05)),
        fill=(255, 255, 255),
        anchor="mm",
    )


def _duotone(picture: Image.Image, hue: float) -> Image.Image:
    """A dark and a pale ink; the tones survive, the colours do not."""
    grey = ImageOps.autocontrast(ImageOps.grayscale(picture), cutoff=1)
    return ImageOps.colorize(
        grey,
        black=colour(hue, 0.13, 0.7),
        mid=colour(hue + 0.08, 0.52, 0.7),
        white=colour(hue + 0.42, 0.92, 0.8),
    )


def _ink(picture: Image.Image, hue: float) -> Image.Image:
    """Flat areas of colour with drawn outlines, like a screen print."""
    smooth = picture.filter(ImageFilter.MedianFilter(5))
    flat = ImageOps.posterize(ImageOps.autocontrast(smooth, cutoff=1), 2)
    flat = ImageChops.add(flat, Image.new("RGB", flat.size, (40, 40, 40)))
    tinted = ImageChops.soft_light(flat, Image.new("RGB", flat.size, colour(hue, 0.55, 0.75)))
    lines = ImageOps.grayscale(smooth).filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(0.8))
    outline = lines.point(lambda level: 255 - min(255, max(0, level - 14) * 7))
    # FIND_EDGES takes the rim of the picture for an edge.
    ImageDraw.Draw(outline).rectangle((0, 0, outline.width - 1, outline.height - 1), outline=255, width=4)
    return ImageChops.multiply(tinted, Image.merge("RGB", (outline,) * 3))


def _halftone(picture: Image.Image, hue: float) -> Image.Image:
    """Dots of one dark ink on a duotone, like newsprint."""
    cell = max(5, min(picture.size) // 110)
    spot = Image.radial_gradient("L").resize((cell, cell))
    screen = Image.new("L", picture.size)
    for x in range(0, picture.width, cell):
        for y in range(0, picture.height, cell):
            screen.paste(spot, (x, y))
    grey = ImageOps.autocontrast(ImageOps.grayscale(picture), cutoff=1)
    light = ImageChops.add(grey, screen, scale=2.0).point(
        lambda level: 0 if level < _INK_BELOW_LEVEL else min(255, (level - _INK_BELOW_LEVEL) * 12)
    )
    ink = ImageOps.colorize(light, black=colour(hue, 0.16, 0.65), white=colour(hue + 0.45, 0.93, 0.7))
    return Image.blend(ink, _duotone(picture, hue), 0.4)
