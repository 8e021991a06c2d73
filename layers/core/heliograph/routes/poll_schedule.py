"""Poll schedule of a task, computed from the latencies of its route's last tasks.

A task is believed to take as long as one of the last ones, the newer the likelier; where few are known, as long as the
provider documents (15-40 s); and, with a small weight, any time at all, so that no latency is a surprise for long. The
schedule minimizes the expected lag plus a price for each poll. Dynamic programming finds it from the end: for the tasks
that still run at a given time, each candidate for the next poll costs that poll and the lag of the tasks that end
before it. Gaps are capped, so that an outdated belief costs little.

Where the provider calls back when a task has ended, polls only serve tasks without a callback: the rarer those are, the
higher the price of a poll.

All times are whole seconds: Step Functions waits no fractions (and cuts them off timestamps).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import ceil, exp

from pydantic import BaseModel, ConfigDict

FIRST_POLL_SECONDS = 12
"""Wait before a client's first poll of a job: providers document 15-40 s, and some tasks are faster."""
LATE_GAP_SECONDS = 300
"""Wait between polls beyond a task's deadline."""
POLL_PRICE_SECONDS = 0.1
"""Lag that a poll must save to be worth it (docs/decisions/0025-when-to-ask.md)."""
KEPT_LATENCIES = 80
MAX_POLLS = 150
"""Polls that a schedule has at most."""
_LONGEST_LATENCY_SECONDS = 3600.0

_DOCUMENTED_SECONDS = (15.0, 40.0)
_DOCUMENTED_MIDDLE_SECONDS = sum(_DOCUMENTED_SECONDS) / 2
_DOCUMENTED_WEIGHT = 4.0
_ANYTHING_WEIGHT = 1.0
# Weight of a latency against the next newer one: 40 latencies count, in all.
_FADING = 0.98
# A latency stands for those within a sixth of it, as far as no other is nearer.
_REACH = 1 / 6
_LEAST_REACH_SECONDS = 0.25
# Caps of the first wait and of every later gap: 5 s, or a twelfth of the time that the task has run, 10 s at most.
_LONGEST_FIRST_WAIT_SECONDS = 120
_GAP_SECONDS = 5
_GAP_SHARE = 1 / 12
LONGEST_GAP_SECONDS = 10
# The share of tasks with a callback is never believed to be higher than this, and fades with each newer task. A
# callback comes a second after the task's end, on average. While callbacks come, gaps grow to a minute.
_HIGHEST_CALLBACK_SHARE = 0.99
_CALLBACK_SECONDS = 1.0
_CALLBACK_FADING = 0.9
_LONGEST_GAP_WITH_CALLBACK_SECONDS = 60
# The state machine's own steps and the poll itself.
_ROUND_TRIP_SECONDS = 0.15
_MOST_STEPS = 240
_FEW = 10


class Latencies(BaseModel):
    """Latencies of a route's last tasks, and the share of them with a callback."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    seconds: tuple[float, ...] = ()
    """Latencies, the newest last; `KEPT_LATENCIES` at most."""
    callback_share: float = 0.5
    """Believed share of tasks that the provider calls back, of those that have a callback URL."""

    def with_latency(self, seconds: float) -> Latencies:
        """The latencies with one more, to a tenth of a second; the oldest is dropped."""
        seen = round(min(max(seconds, 0.0), _LONGEST_LATENCY_SECONDS), 1)
        return self.model_copy(update={"seconds": (*self.seconds, seen)[-KEPT_LATENCIES:]})

    def with_callback(self) -> Latencies:
        """The latencies after one more task whose callback came."""
        return self._believing(1.0)

    def without_callback(self, lag_seconds: float) -> Latencies:
        """The latencies after one more task that a poll found done, `lag_seconds` after its end.

        Its callback may have been on its way: a poll that is faster than a callback is no evidence against callbacks.
        """
        under_way = self.callback_share * exp(-max(0.0, lag_seconds) / _CALLBACK_SECONDS)
        return self._believing(under_way / (under_way + 1 - self.callback_share))

    def _believing(self, chance: float) -> Latencies:
        share = self.callback_share * _CALLBACK_FADING + chance * (1 - _CALLBACK_FADING)
        return self.model_copy(update={"callback_share": round(min(share, _HIGHEST_CALLBACK_SHARE), 4)})


def poll_times(
    latencies: Latencies, *, has_callback: bool = False, price: float = POLL_PRICE_SECONDS
) -> tuple[int, ...]:
    """Times of the polls of a task, in seconds since it was created, ascending; `MAX_POLLS` at most.

    `has_callback`: the provider has a callback URL. `price`: lag in seconds that a poll must save to be worth it. Takes
    about a millisecond.
    """
    belief = _Belief(latencies)
    # A poll serves only the tasks without a callback, and saves that much less.
    silent_share = 1 - latencies.callback_share if has_callback else 1.0
    # The provider's own client polls more often, the longer a task takes. Ours has less lag with fewer polls on slow
    # routes as well.
    price *= min(1.0, _DOCUMENTED_MIDDLE_SECONDS / belief.usual_seconds)
    next_step = _plan(belief, price / silent_share, silent_share)
    found: list[int] = []
    step = next_step[0]
    while step < len(belief.masses) and len(found) < MAX_POLLS:
        found.append(step * belief.step_seconds)
        step = next_step[step]
    return tuple(found)


def wait_before_poll(poll_at: Sequence[int], *, began_at: datetime, now: datetime, deadline_at: datetime) -> int:
    """Whole seconds until the next poll of a task that began at `began_at`; at least 1, and never past the deadline.

    `poll_at`: as from `poll_times`, or empty. Beyond the deadline, only tasks without an answer are polled, for a day.
    """
    if now >= deadline_at:
        return LATE_GAP_SECONDS
    elapsed = max(0.0, (now - began_at).total_seconds())
    gaps = (round(moment - elapsed - _ROUND_TRIP_SECONDS) for moment in poll_at)
    gap = next((gap for gap in gaps if gap >= 1), None)
    if gap is None:
        gap = round(_longest_gap_seconds(elapsed))
    return max(1, min(gap, ceil((deadline_at - now).total_seconds())))


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since the epoch: the workflow can't compare timestamps."""
    return int(moment.timestamp() * 1000)


def task_seconds(
    reported_seconds: float | None, *, began_at: datetime, running_at: datetime | None, done_at: datetime
) -> float:
    """Duration of a task that was last seen running at `running_at`, and first seen done at `done_at`.

    `reported_seconds`: as the provider reports it, used as far as it agrees with what was seen. Without it, the
    duration is the middle of the possible ones, the longest gap between polls taken as the longest time unseen.
    """
    latest = max(0.0, (done_at - began_at).total_seconds())
    earliest = max(0.0, (running_at - began_at).total_seconds()) if running_at else 0.0
    if reported_seconds is not None:
        return min(max(reported_seconds, earliest), latest)
    return (max(earliest, latest - _longest_gap_seconds(latest)) + latest) / 2


def _longest_gap_seconds(elapsed: float, silent_share: float = 1.0) -> float:
    usual = min(LONGEST_GAP_SECONDS, max(_GAP_SECONDS, elapsed * _GAP_SHARE))
    return min(usual / silent_share, max(usual, _LONGEST_GAP_WITH_CALLBACK_SECONDS))


class _Belief:
    """Probability that a task ends in each time step since it began; `beyond`: later than all of them."""

    def __init__(self, latencies: Latencies) -> None:
        seen = sorted(zip(latencies.seconds, _weights(len(latencies.seconds)), strict=True))
        # The median; importing `statistics` would cost each cold start as much as all of this module.
        self.usual_seconds = max(1.0, seen[len(seen) // 2][0]) if seen else _DOCUMENTED_MIDDLE_SECONDS
        documented_weight = _DOCUMENTED_WEIGHT * _FADING ** (2 * len(seen))
        horizon = self._horizon(seen, documented=documented_weight > _ANYTHING_WEIGHT)
        self.step_seconds = max(1, ceil(horizon / _MOST_STEPS))
        steps = ceil(horizon / self.step_seconds)
        self._total = sum(weight for _, weight in seen) + documented_weight + _ANYTHING_WEIGHT
        # Any latency at all: log-logistic around the usual one, so that the odds per second fall as time goes on.
        late = [
            _ANYTHING_WEIGHT / (1 + (step * self.step_seconds / self.usual_seconds) ** 2) for step in range(steps + 1)
        ]
        self.masses = [(before - after) / self._total for before, after in pairwise(late)]
        self.beyond = late[-1] / self._total
        self._spread(*_DOCUMENTED_SECONDS, documented_weight)
        for place, (value, weight) in enumerate(seen):
            reach = max(_LEAST_REACH_SECONDS, value * _REACH)
            below = (value - seen[place - 1][0]) / 2 if place else reach
            above = (seen[place + 1][0] - value) / 2 if place + 1 < len(seen) else reach
            self._spread(
                value - max(_LEAST_REACH_SECONDS, min(reach, below)),
                value + max(_LEAST_REACH_SECONDS, min(reach, above)),
                weight,
            )

    def _horizon(self, seen: list[tuple[float, float]], *, documented: bool) -> float:
        """Seconds to plan for: later ends are rare, and must not make the steps coarse."""
        values = [value for value, _ in seen] + ([_DOCUMENTED_SECONDS[1]] if documented else [])
        late = values[len(values) * 9 // 10] if len(values) >= _FEW else max(values)
        return max(_GAP_SECONDS, min(2 * late, max(values) * 1.4)) + _GAP_SECONDS

    def _spread(self, first: float, last: float, weight: float) -> None:
        """Adds a latency that is uniform between the two."""
        first = max(0.0, first) / self.step_seconds
        last /= self.step_seconds
        steps, mass = len(self.masses), weight / self._total
        if int(first) == int(last) < steps:
            self.masses[int(first)] += mass
            return
        density = mass / (last - first)
        for step in range(int(first), min(ceil(last), steps)):
            self.masses[step] += density * (min(last, step + 1) - max(first, step))
        self.beyond += density * max(0.0, last - max(first, steps))


def _weights(count: int) -> list[float]:
    return [_FADING ** (count - 1 - place) for place in range(count)]


def _plan(belief: _Belief, price: float, silent_share: float) -> list[int]:
    """Best step for the next poll, for each step in which a task was seen running (0: in which it was created)."""
    unit, masses = belief.step_seconds, belief.masses
    steps = len(masses)
    # Beyond the last step: polls at the longest gap, while the odds per second are 2 in the time that has passed.
    gap = _longest_gap_seconds(steps * unit, silent_share)
    cost = [0.0] * steps + [belief.beyond * (gap / 2 + price * max(1.0, steps * unit / (2 * gap)))]
    running = belief.beyond
    best = [steps] * steps
    for step in range(steps - 1, -1, -1):
        running += masses[step]
        widest = _LONGEST_FIRST_WAIT_SECONDS if step == 0 else _longest_gap_seconds(step * unit, silent_share)
        done = lag = 0.0
        least = float("inf")
        for polled in range(step + 1, min(steps, step + max(1, int(widest / unit))) + 1):
            mass = masses[polled - 1]
            lag += (done + mass / 2) * unit
            done += mass
            total = lag + cost[polled]
            if total < least:
                least, best[step] = total, polled
        cost[step] = least + price * running
    return best
