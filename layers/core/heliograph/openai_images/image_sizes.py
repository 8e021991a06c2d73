"""Sizes in pixels as OpenAI's API takes them, and the aspect ratio that each becomes: the models choose the pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from heliograph.kernel.aspect_ratio import AspectRatio

# How far a size may be from a ratio, as a factor. All the usual sizes are nearer: 1792x1024 is 1.6 % from 16:9,
# 1536x640 and 1152x896 are 2.9 % from theirs.
TOLERANCE = 1.03
SHORTEST_SIDE, LONGEST_SIDE = 16, 9999
# Divisible by the larger number of every ratio, so each has a size with this as its longer side.
_EXAMPLE_SIDE = 1680
_SIZE = re.compile(r"\s*([0-9]{1,9})\s*[xX\u00d7*]\s*([0-9]{1,9})\s*")


def read_size(text: str) -> tuple[int, int] | None:
    """Width and height; `None` for a text that is no size. Raises `ValueError` for a size that no image has."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    if not (SHORTEST_SIDE <= width <= LONGEST_SIDE and SHORTEST_SIDE <= height <= LONGEST_SIDE):
        raise ValueError(f"each side must have {SHORTEST_SIDE} to {LONGEST_SIDE} pixels")
    return width, height


def nearest_ratio(width: int, height: int, *, offered: Sequence[AspectRatio]) -> AspectRatio:
    """The offered ratio nearest to that of an image of that size: twice too wide is as far as twice too high."""
    return min(_fixed(offered), key=lambda ratio: _distance(width, height, ratio), default=AspectRatio.AUTO)


def is_near(width: int, height: int, ratio: AspectRatio) -> bool:
    """Whether an image of that ratio is what somebody expects who asked for that size."""
    return ratio is not AspectRatio.AUTO and _distance(width, height, ratio) <= math.log(TOLERANCE)


def told_sizes(offered: Sequence[AspectRatio]) -> str:
    """The offered ratios, each with a size that has it."""
    return ", ".join(f"{ratio} ({example_size(ratio)})" for ratio in _fixed(offered))


def example_size(ratio: AspectRatio) -> str:
    """A size that has exactly that ratio."""
    wide, high = _sides(ratio)
    unit = _EXAMPLE_SIDE // max(wide, high)
    return f"{wide * unit}x{high * unit}"


def _fixed(offered: Sequence[AspectRatio]) -> list[AspectRatio]:
    return [ratio for ratio in offered if ratio is not AspectRatio.AUTO]


def _distance(width: int, height: int, ratio: AspectRatio) -> float:
    wide, high = _sides(ratio)
    return abs(math.log(wide / high) - math.log(width / height))


def _sides(ratio: AspectRatio) -> tuple[int, int]:
    wide, _, high = ratio.partition(":")
    return int(wide), int(high)
