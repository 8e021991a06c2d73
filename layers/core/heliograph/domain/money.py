"""Money: whole micro-dollars inside (1 USD = 1,000,000), decimal text outside, never a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICRODOLLARS = 1_000_000


def microdollars(usd: str) -> int:
    """The amount written as decimal USD, exactly. Raises `ValueError` for anything finer than a micro-dollar."""
    try:
        amount = Decimal(usd) * MICRODOLLARS
    except InvalidOperation as error:
        raise ValueError(f"{usd!r} is no amount of USD") from error
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise ValueError(f"{usd!r} is no whole number of micro-dollars")
    return int(amount)


def usd(amount: int) -> str:
    """Decimal USD with at least two places: `60_000` → `"0.06"`, `1_234` → `"0.001234"`."""
    whole, _, fraction = f"{Decimal(amount) / MICRODOLLARS:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
