"""How soon to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from heliograph.jobs.retry_policy import (
    MAX_ATTEMPTS,
    MAX_DELIVERIES,
    wait_before_attempt,
    wait_before_delivery,
    wait_for_news,
)
from heliograph.kernel.jitter import jittered
from hypothesis import given
from hypothesis import strategies as st

SHORT = timedelta(minutes=20)


@given(st.text(), st.integers(1, MAX_ATTEMPTS), st.none() | st.integers(0, 100_000))
def test_the_wait_before_another_attempt_is_never_shorter_than_the_provider_asked(
    job_id: str, attempts: int, asked: int | None
) -> None:
    wait = wait_before_attempt(job_id, attempts, asked, patience=SHORT)

    assert max(asked or 0, 1) < wait <= max(asked or 0, 1) + 90


def test_jobs_that_were_refused_together_do_not_come_back_together() -> None:
    waits = {wait_before_attempt(f"job_{number}", MAX_ATTEMPTS, None, patience=SHORT) for number in range(100)}

    assert len(waits) > 30
    assert 30 < min(waits) < 40
    assert 80 < max(waits) <= 91


def test_all_attempts_together_last_for_as_long_as_a_job_waits() -> None:
    patience = timedelta(hours=6)

    waits = sum(wait_before_attempt("job_a", number, None, patience=patience) for number in range(1, MAX_ATTEMPTS))

    assert waits >= patience.total_seconds()


def test_the_wait_of_a_job_is_the_same_whenever_it_is_asked() -> None:
    assert wait_before_attempt("job_a", 3, 7, patience=SHORT) == wait_before_attempt("job_a", 3, 7, patience=SHORT)


@given(st.integers(1, MAX_DELIVERIES))
def test_the_waits_before_another_delivery_grow_to_a_minute(deliveries: int) -> None:
    assert 1 < wait_before_delivery(deliveries) <= wait_before_delivery(deliveries + 1) <= 60


@given(st.integers(1, 10_000), st.text())
def test_a_wait_is_spread_by_half_to_either_side_and_always_the_same_for_a_key(seconds: int, key: str) -> None:
    assert max(1, seconds // 2) <= jittered(seconds, key) <= seconds * 1.5 + 1
    assert jittered(seconds, key) == jittered(seconds, key)


CALLED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(st.integers(1, 7200), st.floats(0, 7200))
def test_news_are_waited_for_a_minute_at_most_and_not_beyond_the_end(until: int, age: float) -> None:
    ends_at, now = CALLED_AT + timedelta(seconds=until), CALLED_AT + timedelta(seconds=min(age, until))

    wait = wait_for_news(CALLED_AT, ends_at, now)

    assert 1 <= wait <= 60
    assert now + timedelta(seconds=wait) < ends_at + timedelta(seconds=1) or wait == 1


def test_news_are_expected_soon_after_a_call_and_ever_more_rarely() -> None:
    ends_at = CALLED_AT + timedelta(minutes=30)
    ages = (0, 10, 30, 60, 300)

    waits = [wait_for_news(CALLED_AT, ends_at, CALLED_AT + timedelta(seconds=age)) for age in ages]

    assert waits == [5, 5, 15, 30, 60]
