"""How soon to try again."""

from __future__ import annotations

from heliograph.domain.retrying import MAX_ATTEMPTS, MAX_DELIVERIES, wait_before_attempt, wait_before_delivery
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(), st.integers(1, MAX_ATTEMPTS), st.none() | st.integers(0, 100_000))
def test_the_wait_before_another_attempt_is_never_shorter_than_the_provider_asked(
    job_id: str, attempts: int, asked: int | None
) -> None:
    wait = wait_before_attempt(job_id, attempts, asked)

    assert max(asked or 0, 1) < wait <= max(asked or 0, 1) + 90


def test_jobs_that_were_refused_together_do_not_come_back_together() -> None:
    waits = {wait_before_attempt(f"job_{number}", MAX_ATTEMPTS, None) for number in range(100)}

    assert len(waits) > 30
    assert 30 < min(waits) < 40
    assert 80 < max(waits) <= 91


def test_the_wait_of_a_job_is_the_same_whenever_it_is_asked() -> None:
    assert wait_before_attempt("job_a", 3, 7) == wait_before_attempt("job_a", 3, 7)


@given(st.integers(1, MAX_DELIVERIES))
def test_the_waits_before_another_delivery_grow_to_a_minute(deliveries: int) -> None:
    assert 1 < wait_before_delivery(deliveries) <= wait_before_delivery(deliveries + 1) <= 60
