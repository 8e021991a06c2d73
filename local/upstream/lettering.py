"""Fonts and line breaks: a prompt in any script, as far as the fonts of this system go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
# Best-looking first; the one that covers most of the text is taken.
_WANTED = (
    "Inter-SemiBold.ttf",
    "NotoSans-SemiBold.ttf",
    "NotoSans-Bold.ttf",
    "DejaVuSans-Bold.ttf",
    "NotoSansCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "segoeuib.ttf",
    "arialbd.ttf",
    "Helvetica.ttc",
    "NotoSansArabic-Bold.ttf",
    "NotoSansDevanagari-Bold.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
)
_PROBE_SIZE_PX = 24
_PROBE_CHARACTERS = 80
_ABSENT = "\U0010fffe"  # no font draws this one: it shows what a missing glyph looks like


@dataclass(frozen=True)
class Lines:
    """Text broken into lines that fit a box."""

    font: Font
    lines: tuple[str, ...]
    line_height_px: int

    @property
    def height_px(self) -> int:
        """Height of all lines."""
        return self.line_height_px * len(self.lines)


def font_for(text: str, size_px: int) -> Font:
    """The font that can draw most of the text; Pillow's own where the system has none."""
    path = _best_font(frozenset(text[:_PROBE_CHARACTERS]))
    return ImageFont.truetype(path, size_px) if path else ImageFont.load_default(size_px)


def fit(text: str, width_px: int, height_px: int, *, largest_px: int, smallest_px: int) -> Lines:
    """Break text so that it fits, as large as possible; what does not fit even at the smallest ends in an
    ellipsis.
    """
    # No picture holds more than this at a size that can be read, and long prompts would cost seconds to
    # measure.
    text = " ".join(text[:1200].split())
    size = largest_px
    while True:
        font = font_for(text, size)
        line_height = round(size * 1.28)
        room = max(1, height_px // line_height)
        lines = tuple(_broken(text, font, width_px, room + 1))
        if len(lines) <= room or size <= smallest_px:
            break
        size = max(smallest_px, round(size * 0.88))
    if len(lines) > room:
        last = lines[room - 1]
        while last and font.getlength(last + "…") > width_px:
            last = last[:-1]
        lines = (*lines[: room - 1], last.rstrip() + "…")
    return Lines(font, lines, line_height)


def _broken(text: str, font: Font, width_px: int, most: int) -> Iterator[str]:
    line, made = "", 0
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if font.getlength(candidate) <= width_px:
            line = candidate
            continue
        if line:
            yield line
            made += 1
        # Scripts without spaces, and words longer than the box, break anywhere.
        line = ""
        for character in word:
            if line and font.getlength(line + character) > width_px:
                yield line
                made += 1
                line = ""
            line += character
        if made >= most:
            return
    if line:
        yield line


@lru_cache(maxsize=256)
def _best_font(characters: frozenset[str]) -> str | None:
    fonts = _installed()
    special = sorted(each for each in characters if not each.isascii() and not each.isspace())
    if not fonts or not special:
        return fonts[0] if fonts else None
    return max(fonts, key=lambda path: (_drawn(path, special), -fonts.index(path)))


def _drawn(path: str, characters: list[str]) -> int:
    font = ImageFont.truetype(path, _PROBE_SIZE_PX)
    absent = bytes(font.getmask(_ABSENT))
    return sum(bytes(font.getmask(each)) != absent for each in characters)


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    found: dict[str, str] = {}
    for folder in _FONT_FOLDERS:
        root = Path(folder).expanduser()
        if root.is_dir():
            for path in sorted(root.rglob("*.[to]t[fc]")):
                found.setdefault(path.name, str(path))
    return tuple(found[name] for name in _WANTED if name in found)
