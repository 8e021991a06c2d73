"""Money: whole micro-dollars inside (1 USD = 1,000,000), decimal text outside, never a float."""

from __future__ import annotations

import re
from decimal import Decimal

MICRODOLLARS = 1_000_000
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?")


def microdollars(usd: str) -> int:
    """The amount of plain decimal USD, exactly. Raises `ValueError` for anything else, or finer than a micro-dollar."""
    if not _AMOUNT.fullmatch(usd):
        raise ValueError(f"{usd[:20]!r} is no amount of USD such as 0.06")
    return int(Decimal(usd) * MICRODOLLARS)


def usd(amount: int) -> str:
    """Decimal USD with at least two places: `60_000` → `"0.06"`, `1_234` → `"0.001234"`."""
    whole, _, fraction = f"{Decimal(amount) / MICRODOLLARS:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
