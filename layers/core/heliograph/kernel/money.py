"""Money: whole micro-dollars inside (1 USD = 1,000,000), decimal text outside, never a float."""

from __future__ import annotations

import re
from decimal import Decimal

MICRODOLLARS = 1_000_000
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?")
# A pattern for JSON Schema of the amounts above zero that `microdollars` reads.
POSITIVE_USD = (
    r"^(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,6})?"
    r"|0\.(?:[1-9][0-9]{0,5}|0[1-9][0-9]{0,4}|00[1-9][0-9]{0,3}|000[1-9][0-9]{0,2}|0000[1-9][0-9]?|00000[1-9]))$"
)


def microdollars(usd: str) -> int:
    """The amount of plain decimal USD, exactly. Raises `ValueError` for anything else, or finer than a micro-dollar."""
    if not _AMOUNT.fullmatch(usd):
        raise ValueError(f"{usd[:20]!r} is no amount of USD such as 0.06")
    return int(Decimal(usd) * MICRODOLLARS)


def usd(amount: int) -> str:
    """Decimal USD with at least two places: `60_000` → `"0.06"`, `1_234` → `"0.001234"`."""
    whole, _, fraction = f"{Decimal(amount) / MICRODOLLARS:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def positive_usd(text: str, *, if_zero: str = "must be more than 0") -> str:
    """The text, unchanged. Raises `ValueError` unless it is an amount of USD above zero, for a validator to report."""
    try:
        amount = microdollars(text)
    except ValueError:
        raise ValueError("must be an amount of US dollars, such as 0.06, with six decimals at most") from None
    if amount <= 0:
        raise ValueError(if_zero)
    return text
