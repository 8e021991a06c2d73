"""How soon to try again."""

from __future__ import annotations

from heliograph.domain.retrying import MAX_ATTEMPTS, MAX_DELIVERIES, wait_before_attempt, wait_before_delivery
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, MAX_ATTEMPTS), st.none() | st.integers(0, 100_000))
def test_the_wait_before_another_attempt_is_never_shorter_than_the_provider_asked(
    attempts: int, asked: int | None
) -> None:
    wait = wait_before_attempt(attempts, asked)

    assert wait >= (asked or 1)
    assert wait <= max(asked or 0, 60)


@given(st.integers(1, MAX_DELIVERIES))
def test_the_waits_before_another_delivery_grow_to_a_minute(deliveries: int) -> None:
    assert 1 < wait_before_delivery(deliveries) <= wait_before_delivery(deliveries + 1) <= 60
