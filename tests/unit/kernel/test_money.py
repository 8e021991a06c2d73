"""Money: whole micro-dollars, never a float."""

from __future__ import annotations

import pytest
from heliograph.kernel.money import microdollars, usd
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 10**15 - 1))
def test_an_amount_survives_being_written_and_read(amount: int) -> None:
    assert microdollars(usd(amount)) == amount


@given(st.integers(0, 10**15 - 1))
def test_an_amount_is_written_as_the_published_pattern_has_it(amount: int) -> None:
    whole, _, fraction = usd(amount).partition(".")

    assert whole.isdecimal()
    assert 2 <= len(fraction) <= 6
    assert fraction.isdecimal()


@pytest.mark.parametrize(
    ("text", "amount"), [("0.06", 60_000), ("0.05", 50_000), ("1", 1_000_000), ("0.000001", 1), ("0", 0)]
)
def test_an_amount_is_read_exactly(text: str, amount: int) -> None:
    assert microdollars(text) == amount


@pytest.mark.parametrize(
    ("amount", "text"), [(60_000, "0.06"), (1_234, "0.001234"), (1_000_000, "1.00"), (0, "0.00"), (25_500, "0.0255")]
)
def test_an_amount_is_written_with_two_places_or_more(amount: int, text: str) -> None:
    assert usd(amount) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "free",
        "0.0000001",
        "NaN",
        "sNaN",
        "Infinity",
        "0,06",
        "$0.06",
        "0x10",
        "1e999999999",
        "6e-2",
        "1_0",
        "-1",
        "+1",
        " 1",
        "1\n",
        ".5",
        "5.",
        "1000000000",
        "1000000000000000000000.0000001",
        "\u0661",
        *("01", "00", "00.5", "000000001"),
        "\u00b2",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        microdollars(text)
