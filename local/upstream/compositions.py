"""The backgrounds of text-to-image pictures: four seeded scenes over a mesh gradient."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Size = tuple[int, int]

_ACCENT_SHARE = 0.05
_OVERSAMPLING = 2  # shapes are drawn larger and reduced: Pillow's own edges are jagged

# A prompt that names a colour gets it: the picture should look as if somebody had read the prompt.
_HUES = {
    "red": 0.99, "crimson": 0.97, "orange": 0.07, "sunset": 0.05, "amber": 0.11, "gold": 0.12, "yellow": 0.14,
    "green": 0.36, "forest": 0.38, "mint": 0.43, "teal": 0.48, "sea": 0.53, "ocean": 0.55, "blue": 0.6,
    "night": 0.65, "purple": 0.76, "violet": 0.75, "pink": 0.91, "rose": 0.94,
}  # fmt: skip


@dataclass(frozen=True)
class Palette:
    """Hues as parts of a turn; the accent stands opposite the base."""

    base: float
    spread: float
    accent: float

    def shade(self, position: float, lightness: float, saturation: float = 0.6) -> Colour:
        """A colour between the ends of the palette; all arguments from 0 to 1."""
        return colour(self.base + self.spread * position, lightness, saturation)


def colour(hue: float, lightness: float, saturation: float) -> Colour:
    """HSL in parts of one as eight-bit RGB."""
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, min(1.0, max(0.0, lightness)), saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def palette_for(prompt: str, chance: random.Random) -> Palette:
    """The palette of a prompt: of the first colour word in it, else of its seed."""
    words = [word.strip(".,;:!?").lower() for word in prompt.split()]
    named = next((_HUES[word] for word in words if word in _HUES), None)
    base = named if named is not None else chance.random()
    spread = chance.choice((-0.16, -0.11, 0.11, 0.16))
    return Palette(base, spread, base + 0.5 + chance.uniform(-0.06, 0.06))


def compose(size: Size, palette: Palette, chance: random.Random) -> Image.Image:
    """A finished background of exactly this size."""
    scene: Callable[[Image.Image, Palette, random.Random], Image.Image]
    scene = chance.choice((_dunes, _orbits, _facets, _ribbons))
    large = (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING)
    picture = scene(mesh_gradient(large, palette, chance), palette, chance)
    if picture.size != size:
        picture = picture.reduce(_OVERSAMPLING)
    return _with_grain(_with_vignette(picture))


def mesh_gradient(size: Size, palette: Palette, chance: random.Random, *, dark: float = 0.2) -> Image.Image:
    """Soft clouds of colour: a handful of pixels, enlarged smoothly."""
    mesh = Image.new("RGB", (4, 4))
    for row in range(4):
        for column in range(4):
            position = min(1.0, max(0.0, (row + column) / 6 + chance.uniform(-0.18, 0.18)))
            light = dark + 0.5 * (1 - row / 3) * chance.uniform(0.75, 1.05)
            mesh.putpixel((column, row), palette.shade(position, light, 0.66))
    # In two steps, for one big step shows the corners of the mesh.
    return mesh.resize((96, 96), Image.Resampling.BICUBIC).resize(size, Image.Resampling.BICUBIC)


def _dunes(sky: Image.Image, palette: Palette, chance: random.Random) -> Image.Image:
    width, height = sky.size
    short = min(width, height)
    if chance.choice((True, False)):
        _stars(sky, chance, count=90)
    centre = (round(width * chance.uniform(0.2, 0.8)), round(height * chance.uniform(0.2, 0.36)))
    radius = round(short * chance.uniform(0.1, 0.16))
    _glow(sky, centre, radius, colour(palette.accent, 0.8, 0.85))
    draw = ImageDraw.Draw(sky)
    layers = 6
    for layer in range(layers):
        depth = layer / (layers - 1)
        level = height * (0.42 + 0.48 * depth**0.9)
        swell = short * (0.035 + 0.06 * depth)
        waves = [(chance.uniform(0.6, 2.2) * 2**k, chance.uniform(0, math.tau), 0.5**k) for k in range(4)]
        ridge = [
            (
                x,
                level
                + swell * sum(share * math.sin(pace * math.tau * x / width + start) for pace, start, share in waves),
            )
            for x in range(0, width + 8, 8)
        ]
        shade = palette.shade(0.2 + 0.8 * depth, 0.58 - 0.47 * depth, 0.5)
        draw.polygon([*ridge, (width, height), (0, height)], fill=shade)
    return sky


def _orbits(space: Image.Image, palette: Palette, chance: random.Random) -> Image.Image:
    width, height = space.size
    reach = math.hypot(width, height)
    space = Image.blend(space, Image.new("RGB", space.size, palette.shade(0.5, 0.08, 0.6)), 0.6)
    _stars(space, chance, count=160)
    centre = (round(width * chance.uniform(0.25, 0.75)), round(height * chance.uniform(0.25, 0.45)))
    _glow(space, centre, round(min(space.size) * 0.09), colour(palette.accent, 0.76, 0.9))
    rings = Image.new("RGBA", space.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(rings)
    for ring in range(9):
        radius = reach * (0.09 + 0.06 * ring) * chance.uniform(0.97, 1.03)
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        start = chance.uniform(0, 360)
        shade = palette.shade(ring / 8, 0.7 - 0.02 * ring, 0.7)
        draw.arc(box, 0, 360, fill=(*shade, 70), width=round(reach * 0.0012) + 1)
        draw.arc(box, start, start + chance.uniform(60, 220), fill=(*shade, 230), width=round(reach * 0.004) + 1)
        angle = math.radians(start)
        planet = (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        size = reach * chance.uniform(0.006, 0.022)
        body = colour(palette.accent + chance.uniform(-0.1, 0.1), 0.68, 0.75) if ring % 3 == 1 else shade
        draw.ellipse((planet[0] - size, planet[1] - size, planet[0] + size, planet[1] + size), fill=(*body, 255))
        lit = size * 0.62
        draw.ellipse(
            (
                planet[0] - size * 0.8,
                planet[1] - size * 0.8,
                planet[0] - size * 0.8 + lit,
                planet[1] - size * 0.8 + lit,
            ),
            fill=(255, 255, 255, 70),
        )
    space.paste(rings, (0, 0), rings)
    return space


def _facets(field: Image.Image, palette: Palette, chance: random.Random) -> Image.Image:
    width, height = field.size
    step = min(width, height) / chance.randint(6, 9)
    columns, rows = math.ceil(width / step) + 2, math.ceil(height / step) + 2
    points = {
        (column, row): (
            (column - 0.5 + chance.uniform(-0.36, 0.36)) * step,
            (row - 0.5 + chance.uniform(-0.36, 0.36)) * step,
        )
        for column in range(columns)
        for row in range(rows)
    }
    draw = ImageDraw.Draw(field)
    sample = field.resize((64, 64), Image.Resampling.BOX)
    for column in range(columns - 1):
        for row in range(rows - 1):
            corners = [points[column + dx, row + dy] for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
            halves = ((0, 1, 2), (0, 2, 3)) if chance.choice((True, False)) else ((0, 1, 3), (1, 2, 3))
            for half in halves:
                triangle = [corners[each] for each in half]
                x = min(63, max(0, round(sum(point[0] for point in triangle) / 3 / width * 63)))
                y = min(63, max(0, round(sum(point[1] for point in triangle) / 3 / height * 63)))
                under = sample.getpixel((x, y))
                base = under if isinstance(under, tuple) else (0, 0, 0)
                if chance.random() < _ACCENT_SHARE:
                    base = colour(palette.accent, 0.6, 0.8)
                light = chance.uniform(0.8, 1.24)
                draw.polygon(triangle, fill=tuple(min(255, round(channel * light)) for channel in base[:3]))
    return field


def _ribbons(air: Image.Image, palette: Palette, chance: random.Random) -> Image.Image:
    width, height = air.size
    # Only the outlines need the large canvas; laying eleven layers over it would take most of a second.
    air = air.reduce(_OVERSAMPLING)
    count = 11
    for ribbon in range(count):
        middle = height * (0.12 + 0.8 * ribbon / count)
        swing = height * chance.uniform(0.05, 0.14)
        pace, start = chance.uniform(0.5, 1.3), chance.uniform(0, math.tau)
        thick = height * chance.uniform(0.03, 0.1)
        top = [
            (
                x,
                middle
                + swing * math.sin(pace * math.tau * x / width + start)
                + swing * 0.4 * math.sin(3 * pace * x / width),
            )
            for x in range(0, width + 16, 16)
        ]
        under = [(x, y + thick * (1.2 + math.sin(2.2 * x / width + start))) for x, y in reversed(top)]
        layer = Image.new("L", (width, height), 0)
        ImageDraw.Draw(layer).polygon([*top, *under], fill=round(chance.uniform(90, 190)))
        accent = not (ribbon + 2) % 4
        shade = (
            colour(palette.accent, 0.64, 0.8)
            if accent
            else palette.shade(ribbon / count, chance.uniform(0.35, 0.75), 0.7)
        )
        layer = layer.reduce(_OVERSAMPLING)
        shadow = layer.reduce(8).filter(ImageFilter.GaussianBlur(3))
        air.paste((8, 8, 20), (0, air.height // 60), shadow.point(lambda level: level // 3).resize(air.size))
        air.paste(shade, (0, 0), layer)
    return air


def _stars(picture: Image.Image, chance: random.Random, *, count: int) -> None:
    draw = ImageDraw.Draw(picture)
    unit = min(picture.size) / 1100
    for _ in range(count):
        x, y = chance.uniform(0, picture.width), chance.uniform(0, picture.height * 0.75)
        size = unit * chance.choice((1.0, 1.0, 1.5, 2.4))
        light = chance.randint(170, 255)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(light, light, 255))


def _glow(picture: Image.Image, centre: tuple[int, int], radius: int, shade: Colour) -> None:
    """A disc with a halo that fades to nothing."""
    halo = Image.radial_gradient("L").resize((radius * 8, radius * 8), Image.Resampling.BICUBIC)
    # Pillow's gradient reaches full strength in the corners; the halo has to be gone at the edges already.
    halo = halo.point(lambda level: round(190 * max(0.0, 1 - level / 181) ** 2.2))
    picture.paste(shade, (centre[0] - radius * 4, centre[1] - radius * 4), halo)
    ImageDraw.Draw(picture).ellipse(
        (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=shade
    )


def _with_vignette(picture: Image.Image) -> Image.Image:
    corners = Image.radial_gradient("L").point(lambda level: max(0, level - 120) // 2).resize(picture.size)
    picture.paste((0, 0, 0), (0, 0), corners)
    return picture


def _with_grain(picture: Image.Image) -> Image.Image:
    """A little noise: gradients without it show bands once JPEG is through with them."""
    # Not seeded (Pillow offers no way), and too faint to matter.
    tile = Image.effect_noise((256, 256), 22)
    grain = Image.new("L", picture.size)
    for x in range(0, picture.width, 256):
        for y in range(0, picture.height, 256):
            grain.paste(tile, (x, y))
    return Image.blend(picture, ImageChops.overlay(picture, Image.merge("RGB", (grain,) * 3)), 0.35)
