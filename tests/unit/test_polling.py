"""When to ask the provider how a task is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from heliograph.domain.polling import LATE_GAP_SECONDS, LONGEST_GAP_SECONDS, QUIET_SECONDS, wait_before_asking
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@given(st.integers(0, 10_000), st.floats(-100_000, 100_000))
def test_the_wait_before_a_question_is_short_and_never_passes_the_deadline(questions: int, left: float) -> None:
    wait = wait_before_asking(questions, now=NOW, deadline_at=NOW + timedelta(seconds=left))

    if timedelta(seconds=left) <= timedelta(0):
        # Only those who get no answers go on.
        assert wait == LATE_GAP_SECONDS
        return
    assert 1 <= wait <= LONGEST_GAP_SECONDS
    # A wait is whole seconds, and at least one: it may end within the second after the deadline.
    assert wait < max(left, 0) + 1 or wait == 1


@given(st.floats(1000, 100_000))
def test_the_first_question_waits_for_the_quiet_time_and_later_ones_ever_longer(left: float) -> None:
    deadline_at = NOW + timedelta(seconds=left)
    waits = [wait_before_asking(questions, now=NOW, deadline_at=deadline_at) for questions in range(30)]

    assert waits[0] == QUIET_SECONDS
    assert waits[1:] == sorted(waits[1:])
    assert waits[-1] == LONGEST_GAP_SECONDS
