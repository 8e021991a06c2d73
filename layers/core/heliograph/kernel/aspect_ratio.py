"""Aspect ratios that the models offer."""

from __future__ import annotations

from enum import StrEnum


class AspectRatio(StrEnum):
    """The eleven ratios of the product page; `auto` leaves it to the model."""

    AUTO = "auto"
    SQUARE = "1:1"
    PORTRAIT_2_3 = "2:3"
    LANDSCAPE_3_2 = "3:2"
    PORTRAIT_3_4 = "3:4"
    LANDSCAPE_4_3 = "4:3"
    PORTRAIT_4_5 = "4:5"
    LANDSCAPE_5_4 = "5:4"
    PORTRAIT_9_16 = "9:16"
    LANDSCAPE_16_9 = "16:9"
    LANDSCAPE_21_9 = "21:9"
