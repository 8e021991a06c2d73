"""Fair queue: no route is called too often, and no tenant is served at another's cost."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import SLOT, FairQueue, slot_length
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# One call every half second.
ROUTE = Route(provider="apimodels", model="m", price_usd="0.06", max_references=16)
INTERVAL = timedelta(seconds=0.5)
# Whole microseconds are rounded down, a little at every step.
ROUNDING = timedelta(milliseconds=1)
WEIGHTS = {"heavy": 3, "double": 2, "a-huge": 50, "z-huge": 50}
TENANTS = ["a", "a-huge", "b", "c", "double", "heavy", "z", "z-huge"]


def weight(tenant: str) -> int:
    """Of whom nothing is said: one."""
    return WEIGHTS.get(tenant, 1)


def seconds(value: float) -> datetime:
    return START + timedelta(seconds=value)


def in_seconds(moments: Sequence[datetime]) -> list[float]:
    """To the millisecond, from the start."""
    return [round((moment - START).total_seconds(), 3) for moment in moments]


@dataclass(order=True)
class Waiting:
    """One who has a finish_tag and sleeps until its moment."""

    wakes_at: datetime
    number: int
    tenant: str
    finish_tag: int


class Line:
    """A route and those who wait for it, each as `dispatch` does: sleep until the moment, look, go or sleep on."""

    def __init__(self) -> None:
        self.queue = FairQueue.starting(ROUTE)
        self.calls: list[tuple[datetime, str]] = []
        self._waiting: list[Waiting] = []
        self._number = 0

    def ask(self, tenant: str, at: datetime) -> int:
        """Takes a finish_tag and goes, if it is the moment."""
        self.run_until(at)
        self.queue = self.queue.with_slot(tenant, at, weight)
        finish_tag = self.queue.finish_tags[tenant]
        self._number += 1
        self._look(Waiting(at, self._number, tenant, finish_tag), at)
        return finish_tag

    def slow(self, at: datetime, wait_seconds: int = 0) -> None:
        self.run_until(at)
        self.queue = self.queue.decreased(at, weight, ROUTE, wait_seconds=wait_seconds)

    def quicken(self, at: datetime) -> None:
        self.run_until(at)
        self.queue = self.queue.increased(at, weight, ROUTE)

    def run_until(self, at: datetime) -> None:
        while self._waiting and self._waiting[0].wakes_at <= at:
            one = heapq.heappop(self._waiting)
            self._look(one, one.wakes_at)

    def run(self) -> list[str]:
        """Until nobody waits; the tenants, in the order of their calls."""
        self.run_until(START + timedelta(days=30))
        assert not self._waiting
        return [tenant for _, tenant in self.calls]

    @property
    def moments(self) -> list[datetime]:
        return [moment for moment, _ in self.calls]

    def _look(self, one: Waiting, now: datetime) -> None:
        moment = self.queue.starts_at(one.tenant, one.finish_tag, weight)
        if moment <= now:
            self.calls.append((now, one.tenant))
        else:
            heapq.heappush(self._waiting, Waiting(moment, one.number, one.tenant, one.finish_tag))


def served(*asks: str, at: datetime = START) -> Line:
    """Everybody asks at once, in this order; and everybody is served."""
    line = Line()
    for tenant in asks:
        line.ask(tenant, at)
    line.run()
    return line


def most_calls_in_any_window(moments: Sequence[datetime], length: timedelta) -> int:
    return max(sum(begin <= moment <= begin + length for moment in moments) for begin in moments)


# --- one tenant


def test_the_first_call_on_an_idle_route_leaves_at_once() -> None:
    assert in_seconds(served("a").moments) == [0]


def test_a_lone_tenant_has_the_whole_rate() -> None:
    assert in_seconds(served(*"aaaaa").moments) == [0, 0.5, 1, 1.5, 2]


@pytest.mark.parametrize("tenant", ["double", "heavy", "z-huge"])
def test_a_lone_tenant_has_the_whole_rate_whatever_its_weight_and_no_more(tenant: str) -> None:
    assert in_seconds(served(*[tenant] * 4).moments) == [0, 0.5, 1, 1.5]


def test_idle_time_is_not_saved_up() -> None:
    line = served("a")
    for _ in range(3):
        line.ask("a", seconds(3600))
    line.run()

    assert in_seconds(line.moments) == [0, 3600, 3600.5, 3601]


def test_a_second_call_keeps_the_interval_even_on_an_idle_queue() -> None:
    line = served("a")
    line.ask("a", seconds(0.3))
    line.run()

    assert in_seconds(line.moments) == [0, 0.5]


def test_the_flow_of_a_served_tenant_is_removed() -> None:
    line = served("a", "b")

    line.ask("c", seconds(60))

    assert line.queue.finish_tags.keys() == {"c"}


# --- several


def test_two_backlogged_tenants_alternate_in_any_order_and_with_any_number_of_jobs() -> None:
    line = served(*"aaaaaa", *"bbb")

    order = "".join(line.run())
    assert [sorted(pair) for pair in zip(order[:6:2], order[1:6:2], strict=True)] == [["a", "b"]] * 3
    assert order[6:] == "aaa"
    # Tenants that are level call at the same moment, and not more often for that.
    assert in_seconds(line.moments) == [0, 0, 1, 1, 2, 2, 3, 3.5, 4]


def test_the_first_of_two_tenants_has_no_advantage() -> None:
    calls = served(*["a"] * 50, *["b"] * 50).run()

    for half in range(10, 100, 10):
        assert abs(Counter(calls[:half])["a"] - half / 2) <= 1


def test_backlogged_tenants_share_the_rate_by_weight() -> None:
    calls = served(*["heavy"] * 90, *["a"] * 90).run()

    # While both wait: three to one.
    assert abs(Counter(calls[:80])["heavy"] - 60) <= 1


def test_a_late_tenant_gets_its_share_at_once_and_nothing_for_the_time_before() -> None:
    line = Line()
    for _ in range(100):
        line.ask("a", START)
    line.run_until(seconds(10))
    for _ in range(20):
        line.ask("b", seconds(10))
    line.run()

    late = [tenant for moment, tenant in line.calls if seconds(10) < moment <= seconds(20)]
    assert len(late) == 20
    assert Counter(late)["b"] in {9, 10}


def test_a_thousand_jobs_of_one_tenant_do_not_delay_the_job_of_another() -> None:
    line = Line()
    for _ in range(1000):
        line.ask("a", START)
    line.ask("b", START)
    line.run()

    when = next(moment for moment, tenant in line.calls if tenant == "b")
    assert when <= START + INTERVAL


def test_a_served_tenant_leaves_the_rate_to_the_others() -> None:
    line = served(*"aaaa", "b")

    assert in_seconds(line.moments) == [0, 0, 1, 1.5, 2]


def test_the_length_of_a_slot_follows_from_the_weight() -> None:
    queue = FairQueue.starting(ROUTE).with_slot("double", START, weight)

    assert slot_length("double", weight) == SLOT // 2
    assert queue.finish_tags == {"double": SLOT // 2}
    assert queue.next_finish_tag("double", START, weight) == SLOT
    assert queue.is_backlogged("double", START, weight)
    assert not queue.is_backlogged("double", START + INTERVAL, weight)
    assert not queue.is_backlogged("a", START, weight)


# --- what always holds

ASKS = st.lists(st.tuples(st.sampled_from(TENANTS), st.integers(0, 3000)), min_size=1, max_size=40)
WINDOWS = st.integers(0, 20_000)


@given(ASKS, WINDOWS)
def test_no_window_has_more_calls_than_the_rate_and_one_for_each_tenant(
    asks: list[tuple[str, int]], window: int
) -> None:
    line, at = Line(), START
    for tenant, pause in asks:
        at += timedelta(milliseconds=pause)
        line.ask(tenant, at)
    line.run()

    length = timedelta(milliseconds=window)
    tenants = len({tenant for tenant, _ in asks})
    assert most_calls_in_any_window(line.moments, length) <= (length + ROUNDING) / INTERVAL + tenants


@given(ASKS)
def test_every_job_is_served_once_and_not_before_it_asked(asks: list[tuple[str, int]]) -> None:
    line, at, asked = Line(), START, []
    for tenant, pause in asks:
        at += timedelta(milliseconds=pause)
        line.ask(tenant, at)
        asked.append((at, tenant))
    line.run()

    assert Counter(tenant for _, tenant in line.calls) == Counter(tenant for tenant, _ in asks)
    for tenant in {tenant for tenant, _ in asks}:
        mine = sorted(moment for moment, who in line.calls if who == tenant)
        assert all(call >= ask for call, (ask, who) in zip(mine, [a for a in asked if a[1] == tenant], strict=True))


@given(st.permutations([*["a"] * 8, *["b"] * 8, *["double"] * 16]))
def test_the_order_is_fair_by_weight_for_any_order_of_arrival(asks: list[str]) -> None:
    calls = served(*asks).run()

    # While all three wait, after any number of calls: each has its share, give or take one turn.
    for number in range(1, 24):
        had = Counter(calls[:number])
        assert abs(had["double"] - number / 2) <= 1.5
        assert abs(had["a"] - number / 4) <= 1.25
        assert abs(had["b"] - number / 4) <= 1.25


@given(st.lists(st.sampled_from(TENANTS), min_size=1, max_size=30))
def test_the_route_is_never_idle_while_a_job_waits(asks: list[str]) -> None:
    line = served(*asks)

    tenants = len(set(asks))
    assert line.moments[-1] <= START + INTERVAL * (len(asks) + tenants) + ROUNDING


MOVES = st.lists(
    st.tuples(st.sampled_from([*TENANTS, "slow", "hold", "ease"]), st.integers(0, 2000), st.integers(0, 60)),
    max_size=25,
)


@given(ASKS, MOVES)
def test_a_slot_never_starts_earlier_than_was_computed_before(
    asks: list[tuple[str, int]], moves: list[tuple[str, int, int]]
) -> None:
    queue, at, slots = FairQueue.starting(ROUTE), START, []
    for tenant, pause in asks:
        at += timedelta(milliseconds=pause // 10)
        queue = queue.with_slot(tenant, at, weight)
        slots.append((tenant, queue.finish_tags[tenant]))
    for what, pause, wait_seconds in moves:
        at += timedelta(milliseconds=pause)
        match what:
            case "slow":
                after = queue.decreased(at, weight, ROUTE)
            case "hold":
                after = queue.decreased(at, weight, ROUTE, wait_seconds=wait_seconds)
            case "ease":
                after = queue.after_saturation(at, weight, ROUTE)
            case tenant:
                after = queue.with_slot(tenant, at, weight)
        for tenant, finish_tag in slots:
            told = queue.starts_at(tenant, finish_tag, weight)
            if told > at:
                assert after.starts_at(tenant, finish_tag, weight) >= told - ROUNDING
        queue = after


@given(ASKS, st.integers(0, 10_000))
def test_virtual_time_never_decreases_and_stands_still_without_a_backlog(
    asks: list[tuple[str, int]], pause: int
) -> None:
    queue, at = FairQueue.starting(ROUTE), START
    for tenant, before in asks:
        at += timedelta(milliseconds=before)
        earlier = queue.virtual_time_at(at, weight)
        queue = queue.with_slot(tenant, at, weight)
        assert queue.virtual_time_at(at, weight) == earlier
        later = queue.virtual_time_at(at + timedelta(milliseconds=pause), weight)
        assert earlier <= later <= max(queue.finish_tags.values())


@given(ASKS)
def test_a_queue_survives_json(asks: list[tuple[str, int]]) -> None:
    queue = FairQueue.starting(ROUTE)
    for tenant, _ in asks:
        queue = queue.with_slot(tenant, START, weight)

    assert FairQueue.model_validate_json(queue.model_dump_json()) == queue


# --- refusals


def test_a_refusal_halves_the_rate() -> None:
    queue = FairQueue.starting(ROUTE).decreased(START, weight, ROUTE)

    assert queue.creates_per_minute == 60


def test_the_refusals_of_one_burst_halve_the_rate_once() -> None:
    queue = FairQueue.starting(ROUTE)
    for milliseconds in range(0, 9_999, 500):
        queue = queue.decreased(START + timedelta(milliseconds=milliseconds), weight, ROUTE)
    assert queue.creates_per_minute == 60

    assert queue.decreased(seconds(30), weight, ROUTE).creates_per_minute == 30


def test_the_rate_never_falls_below_the_slowest() -> None:
    queue = FairQueue.starting(ROUTE)
    for minutes in range(20):
        queue = queue.decreased(START + timedelta(minutes=minutes), weight, ROUTE)

    assert queue.creates_per_minute == ROUTE.slowest_per_minute


def test_waiting_jobs_wait_twice_as_long_after_a_refusal() -> None:
    line = Line()
    for _ in range(4):
        line.ask("a", START)
    line.slow(START)
    line.run()

    assert in_seconds(line.moments) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "asks", ["a", "a a", "a b c", "a-huge", "b c z a-huge", "b c z z-huge", "b c a-huge a-huge a-huge"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_retry_after_of_the_provider_holds_all_calls(asks: str, when: str) -> None:
    line = Line()
    # So that there is a refusal at all.
    line.ask("first", START)
    if when == "after":
        line.slow(START, 30)
    for tenant in asks.split():
        line.ask(tenant, START)
    if when == "before":
        line.slow(START, 30)
    line.calls.clear()
    line.run()

    assert min(line.moments, default=seconds(30)) >= seconds(30)


def test_held_calls_leave_one_after_another() -> None:
    line = Line()
    line.slow(START, 30)
    for tenant in "abcabc":
        line.ask(tenant, START)
    line.run()

    assert in_seconds(line.moments) == [30, 30, 30, 33, 33, 33]


def test_slots_that_passed_during_a_hold_do_not_all_start_at_its_end() -> None:
    line = Line()
    for _ in range(10):
        line.ask("a", START)
    line.run_until(seconds(1))
    line.slow(seconds(1), 30)
    line.run()

    assert all(later - earlier >= INTERVAL - ROUNDING for earlier, later in pairwise(line.moments))
    assert in_seconds(line.moments)[3] >= 31


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    line = Line()
    line.slow(START, 600)
    line.slow(seconds(1), 5)
    line.ask("a", seconds(2))
    line.run()

    assert in_seconds(line.moments) == [600]


# --- full routes


def test_the_saturations_of_one_burst_decrease_the_rate_once_by_an_eighth() -> None:
    queue = FairQueue.starting(ROUTE)
    for milliseconds in range(0, 9_999, 500):
        queue = queue.after_saturation(START + timedelta(milliseconds=milliseconds), weight, ROUTE)
    assert queue.creates_per_minute == pytest.approx(105, abs=0.01)

    assert queue.after_saturation(seconds(10), weight, ROUTE).creates_per_minute == pytest.approx(92, abs=0.2)


def test_saturation_never_decreases_the_rate_below_the_slowest() -> None:
    queue = FairQueue.starting(ROUTE)
    for minutes in range(60):
        queue = queue.after_saturation(START + timedelta(minutes=minutes), weight, ROUTE)

    assert queue.creates_per_minute == ROUTE.slowest_per_minute


def test_each_saturation_delays_all_slots_by_one_interval() -> None:
    line = Line()
    for _ in range(3):
        line.ask("a", START)
    line.slow(START)
    before = line.queue.starts_at("a", 3 * SLOT, weight)

    line.queue = line.queue.after_saturation(START, weight, ROUTE)

    assert line.queue.starts_at("a", 3 * SLOT, weight) == before + timedelta(microseconds=line.queue.interval_us)


def test_saturation_does_not_end_a_hold() -> None:
    queue = (
        FairQueue.starting(ROUTE)
        .decreased(START, weight, ROUTE, wait_seconds=600)
        .after_saturation(seconds(1), weight, ROUTE)
    )

    joined = queue.with_slot("a", seconds(2), weight)
    assert joined.starts_at("a", joined.finish_tags["a"], weight) >= seconds(600)


# --- and rising again


def test_the_rate_increases_only_after_a_quiet_minute() -> None:
    queue = crowded(FairQueue.starting(ROUTE).decreased(START, weight, ROUTE))

    assert not queue.may_increase(seconds(59.9), weight)
    assert queue.may_increase(seconds(60), weight)


def test_the_rate_does_not_increase_without_a_backlog() -> None:
    queue = FairQueue.starting(ROUTE).decreased(START, weight, ROUTE)

    assert not queue.may_increase(seconds(3600), weight)
    alone = queue.with_slot("a", seconds(3600), weight)
    assert not alone.may_increase(seconds(3600), weight)
    assert (
        alone.with_slot("a", seconds(3600), weight)
        .with_slot("a", seconds(3600), weight)
        .may_increase(seconds(3600), weight)
    )


def crowded(queue: FairQueue) -> FairQueue:
    """With a lane that is given out for days."""
    return queue.model_copy(update={"finish_tags": {"a": queue.virtual_time + 10**12}})


def test_the_rate_increases_by_a_sixtieth_of_the_initial_rate_every_ten_seconds_at_most() -> None:
    queue = crowded(FairQueue.starting(ROUTE).decreased(START, weight, ROUTE)).increased(seconds(60), weight, ROUTE)

    assert queue.creates_per_minute == pytest.approx(62, abs=0.01)
    assert not queue.may_increase(seconds(69.9), weight)
    assert queue.may_increase(seconds(70), weight)


def test_a_slow_rate_increases_by_at_least_one_call_a_minute() -> None:
    slow = ROUTE.model_copy(update={"creates_per_minute": 6})

    assert FairQueue.starting(slow).increased(START, weight, slow).creates_per_minute == pytest.approx(7, abs=0.01)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=400))
def test_the_rate_always_stays_within_its_bounds(reports: list[tuple[bool, int]]) -> None:
    route = ROUTE.model_copy(update={"slowest_per_minute": 60, "fastest_per_minute": 130})
    queue, at = crowded(FairQueue.starting(route)), START
    for refused, pause in reports:
        at += timedelta(seconds=pause)
        if refused:
            queue = queue.decreased(at, weight, route)
        elif queue.may_increase(at, weight):
            queue = queue.increased(at, weight, route)
        assert 60 <= queue.creates_per_minute <= 130.001


def test_the_rate_never_increases_beyond_the_fastest() -> None:
    queue = FairQueue.starting(ROUTE)
    for calls in range(1000):
        queue = queue.increased(seconds(10 * calls), weight, ROUTE)

    assert queue.creates_per_minute == ROUTE.fastest_per_minute


def test_an_increase_of_the_rate_keeps_the_order_of_waiting_jobs() -> None:
    line = Line()
    for _ in range(3):
        line.ask("a", START)
        line.ask("b", START)
    line.quicken(seconds(1))
    line.run()

    assert "".join(line.run()) == "ababab"
