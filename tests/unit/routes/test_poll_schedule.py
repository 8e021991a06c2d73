"""Poll schedule: when to poll the provider for a task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean

import pytest
from heliograph.routes.poll_schedule import (
    FIRST_POLL_SECONDS,
    KEPT_LATENCIES,
    LATE_GAP_SECONDS,
    LONGEST_GAP_SECONDS,
    MAX_POLLS,
    POLL_PRICE_SECONDS,
    Latencies,
    poll_times,
    task_seconds,
    wait_before_poll,
)
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.polling import PEER, SHAPES, WAYS, compared, curve_of, latencies_of, ours

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
AT_MOST_SECONDS = 3600

some_latencies = st.builds(
    lambda seconds, share: Latencies(seconds=tuple(seconds), callback_share=share),
    st.lists(st.floats(0, AT_MOST_SECONDS), max_size=KEPT_LATENCIES),
    st.floats(0, 0.99),
)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def wait(poll_at: tuple[int, ...], *, elapsed: float, deadline: float = 1e6) -> int:
    return wait_before_poll(poll_at, began_at=NOW, now=after(elapsed), deadline_at=after(deadline))


def all_around(seconds: float, *, count: int = KEPT_LATENCIES) -> Latencies:
    return Latencies(seconds=(seconds,) * count)


@given(some_latencies, st.floats(0.001, 10), st.booleans())
def test_poll_times_are_ascending_whole_seconds_and_bounded_in_number(
    latencies: Latencies, price: float, has_callback: bool
) -> None:
    poll_at = poll_times(latencies, price=price, has_callback=has_callback)

    assert 0 < len(poll_at) <= MAX_POLLS
    assert all(later > earlier for earlier, later in pairwise((0, *poll_at)))


@given(some_latencies)
def test_gaps_are_capped_for_any_latencies(latencies: Latencies) -> None:
    first, *later = poll_times(latencies)

    assert first <= 120
    gaps = [after - before for before, after in pairwise((first, *later))]
    # Where latencies are of many minutes, so are the steps in which they are planned.
    coarse = max((*latencies.seconds, 0)) / 100
    assert all(gap <= max(LONGEST_GAP_SECONDS, coarse) for gap in gaps)


@given(st.lists(st.integers(1, 5000), max_size=MAX_POLLS, unique=True), st.floats(0, 10_000), st.floats(-100, 10_000))
def test_a_wait_never_passes_the_deadline(some: list[int], elapsed: float, left: float) -> None:
    waited = wait(tuple(sorted(some)), elapsed=elapsed, deadline=elapsed + left)

    if after(elapsed) >= after(elapsed + left):
        # Only those who get no answers go on.
        assert waited == LATE_GAP_SECONDS
        return
    # A wait is whole seconds, and at least one: it may end within the second after the deadline.
    assert waited == 1 or 1 < waited < left + 1


@given(some_latencies)
def test_polling_goes_on_until_the_deadline_without_long_gaps(latencies: Latencies) -> None:
    poll_at = poll_times(latencies)
    longest = max(LONGEST_GAP_SECONDS, max(latencies.seconds, default=0) / 100) + 1
    elapsed, questions = 0.0, 0
    while elapsed < AT_MOST_SECONDS:
        waited = wait(poll_at, elapsed=elapsed, deadline=AT_MOST_SECONDS)
        assert waited <= (longest if questions else 120)
        elapsed, questions = elapsed + waited + 0.15, questions + 1

    assert elapsed < AT_MOST_SECONDS + 1.2
    assert questions >= AT_MOST_SECONDS / 60


def test_a_new_route_is_polled_by_the_documented_latencies() -> None:
    poll_at = poll_times(Latencies())

    # What clients are told to wait before they ask us.
    assert poll_at[0] == FIRST_POLL_SECONDS
    gaps = [later - earlier for earlier, later in pairwise(poll_at)]
    assert sum(15 < moment <= 40 for moment in poll_at) > len(poll_at) / 2
    # The longer it runs, the likelier it is to end now; past what is documented, nobody knows.
    inside = [gap for gap, at in zip(gaps, poll_at, strict=False) if 15 < at < 39]
    assert inside == sorted(inside, reverse=True)
    assert gaps[-1] > inside[-1]


@pytest.mark.parametrize(("seconds", "sooner"), [(3, 0), (8, 0), (22, 0), (48, 3), (100, 12)])
def test_tasks_of_equal_latency_are_polled_right_after_it(seconds: int, sooner: int) -> None:
    poll_at = poll_times(all_around(seconds - 0.4))

    assert seconds in poll_at
    # The rarer they are, the longer the first wait would be: a few questions go to the chance that all has changed.
    assert sum(moment < seconds for moment in poll_at) <= sooner


def test_tasks_that_end_at_once_are_polled_at_once() -> None:
    assert poll_times(all_around(0))[0] == 1


@given(some_latencies, st.floats(0.01, 1), st.floats(1.5, 10))
def test_a_higher_price_never_makes_the_first_poll_earlier(latencies: Latencies, price: float, times: float) -> None:
    cheap, dear = poll_times(latencies, price=price), poll_times(latencies, price=price * times)

    assert dear[0] >= cheap[0] or len(dear) <= len(cheap)


def test_the_newest_latencies_count_most() -> None:
    slow_of_late = Latencies(seconds=(20.0,) * 40 + (60.0,) * 40)
    fast_of_late = Latencies(seconds=(60.0,) * 40 + (20.0,) * 40)

    def asked_by(latencies: Latencies, moment: int) -> int:
        return sum(at <= moment for at in poll_times(latencies, price=0.4))

    assert asked_by(fast_of_late, 25) >= asked_by(slow_of_late, 25)
    assert len(poll_times(fast_of_late, price=0.4)) <= len(poll_times(slow_of_late, price=0.4))


def test_old_latencies_are_dropped() -> None:
    latencies = all_around(300)
    for _ in range(KEPT_LATENCIES):
        latencies = latencies.with_latency(20)

    assert latencies == all_around(20)


@given(st.floats(-1e9, 1e9))
def test_a_latency_is_kept_within_bounds_and_to_a_tenth(seconds: float) -> None:
    (kept,) = Latencies().with_latency(seconds).seconds

    assert 0 <= kept <= AT_MOST_SECONDS
    assert len(f"{kept:g}") <= 6


def test_one_slow_task_does_not_delay_the_polls_of_others() -> None:
    usual = Latencies(seconds=tuple(20 + place % 8 for place in range(60)))

    asked = [moment for moment in poll_times(usual.with_latency(1500)) if moment <= 30]
    assert len(asked) >= len([moment for moment in poll_times(usual) if moment <= 30]) - 1


def test_a_wait_lasts_until_the_next_poll_time() -> None:
    poll_at = (15, 20, 22)

    assert wait(poll_at, elapsed=0) == 15
    assert wait(poll_at, elapsed=15.2) == 5
    # A turn that took long skips what it missed.
    assert wait(poll_at, elapsed=20.9) == 1
    assert wait(poll_at, elapsed=21.8) == 5
    # In the end it grows with the time that has passed.
    assert wait(poll_at, elapsed=84) == 7
    assert wait(poll_at, elapsed=1000) == LONGEST_GAP_SECONDS


def test_a_tasks_duration_is_the_reported_one_within_what_was_seen() -> None:
    def took(said: float | None, *, running: float | None = 20, done: float = 24) -> float:
        running_at = None if running is None else after(running)
        return task_seconds(said, began_at=NOW, running_at=running_at, done_at=after(done))

    assert took(21.5) == 21.5
    assert took(3) == 20
    assert took(1e9) == 24
    assert took(3, running=None) == 3
    # Unless it says so, it is the middle.
    assert took(None) == 22
    # It may have been done for long; that it was, only later tasks can show.
    assert took(None, running=None) == 21.5
    assert took(None, running=None, done=2) == 1
    # A clock that went back says nothing.
    assert took(5, running=None, done=-3) == 0


def against_the_vendors_client(shape: str, *, jobs: int) -> dict[str, float]:
    latencies = latencies_of(shape, jobs=jobs)
    watched = WAYS[PEER].policy(latencies)
    lag, questions = fmean(job.lag_seconds for job in watched), fmean(job.questions for job in watched)
    return compared(curve_of(latencies, (0.03, 0.06, 0.1, 0.2, 0.4)), lag, questions)


def test_on_the_documented_latencies_lag_or_polls_are_halved() -> None:
    ratios = against_the_vendors_client("15-40 s, uniform", jobs=400)

    assert ratios["lag_at_its_questions"] <= 0.5
    assert ratios["questions_at_its_lag"] <= 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_on_no_shape_is_it_worse_than_the_providers_client(shape: str) -> None:
    ratios = against_the_vendors_client(shape, jobs=300)

    assert max(ratios.values()) <= 1.1


@pytest.mark.parametrize("shape", SHAPES)
def test_with_the_deployed_price_it_has_neither_more_lag_nor_more_polls(shape: str) -> None:
    latencies = latencies_of(shape, jobs=300)
    peer, own = WAYS[PEER].policy(latencies), ours(POLL_PRICE_SECONDS)(latencies)

    assert fmean(job.lag_seconds for job in own) <= 1.1 * fmean(job.lag_seconds for job in peer)
    assert fmean(job.questions for job in own) <= 1.1 * fmean(job.questions for job in peer)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_change_of_latency_is_learned_within_forty_jobs(factor: float) -> None:
    before = latencies_of("15-40 s, uniform", jobs=120)
    watched = ours(POLL_PRICE_SECONDS)(
        [*before, *(latency * factor for latency in latencies_of("15-40 s, uniform", jobs=160))]
    )

    adapting, adapted = watched[124:160], watched[160:]
    # Even at first, the caps hold the lag below twice that of asking every 3 s.
    assert fmean(job.lag_seconds for job in adapting) < 3.2
    assert fmean(job.lag_seconds for job in adapted) < 1.6


# --- with callbacks


def called(times: int, latencies: Latencies | None = None) -> Latencies:
    latencies = latencies or Latencies()
    for _ in range(times):
        latencies = latencies.with_callback()
    return latencies


def with_callbacks(share: float, *, jobs: int = 300) -> tuple[list[float], float]:
    """The lags, sorted, and the mean number of questions, once it is learned."""
    watched = ours(POLL_PRICE_SECONDS, callbacks=share)(latencies_of("15-40 s, uniform", jobs=jobs))[60:]
    return sorted(job.lag_seconds for job in watched), fmean(job.questions for job in watched)


def test_with_callbacks_about_two_polls_are_enough_and_no_image_waits_a_second() -> None:
    lags, questions = with_callbacks(1)

    assert questions <= 2
    assert lags[len(lags) // 2] < 1
    assert lags[-1] < 2


def test_tasks_without_a_callback_are_found_all_the_same() -> None:
    lags, questions = with_callbacks(0.95)

    assert questions < 2.5
    assert fmean(lags) < 1.2
    assert lags[-1] < 25


def test_missing_callbacks_cost_lag_only_for_a_few_jobs() -> None:
    lags, questions = with_callbacks(0)
    latencies = latencies_of("15-40 s, uniform", jobs=300)
    without = ours(POLL_PRICE_SECONDS)(latencies)[60:]

    assert fmean(lags) <= 1.02 * fmean(job.lag_seconds for job in without)
    assert questions <= 1.02 * fmean(job.questions for job in without)


def test_an_early_poll_is_weak_evidence_against_callbacks_and_a_late_one_strong() -> None:
    known = called(80)

    early, late = known.without_callback(0.1), known.without_callback(10)

    assert 0.985 < early.callback_share < known.callback_share == 0.99
    assert late.callback_share == pytest.approx(known.callback_share * 0.9, abs=0.001)


@given(st.lists(st.one_of(st.none(), st.floats(-5, 4000)), max_size=200))
def test_a_callback_is_never_believed_to_be_certain(heard: list[float | None]) -> None:
    latencies = Latencies()
    for lag in heard:
        latencies = latencies.with_callback() if lag is None else latencies.without_callback(lag)

    assert 0 <= latencies.callback_share <= 0.99


@given(some_latencies)
def test_without_a_callback_url_the_callback_share_changes_nothing(latencies: Latencies) -> None:
    assert poll_times(called(30, latencies)) == poll_times(latencies)
