"""When to ask the provider how a task is: a schedule from what the route's tasks took lately.

What a task will take is believed to be as one of the last ones, the newer the likelier; where few are known, as the
vendor documents (15-40 s); and, a little, as anything, so that nothing is a surprise for long. The schedule is the one
of least expected lag plus a price on questions, found by dynamic programming from the end: among those who still run
at a moment, each next moment costs its question and the lag of whoever is done before it. Gaps are capped, so that a
belief that is out of date costs little.

Where the provider calls back when a task has ended, questions are for those of which it does not: the fewer they are,
the dearer a question.

All of it is whole seconds: Step Functions waits no others (and cuts the fractions off timestamps).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import ceil, exp

from pydantic import BaseModel, ConfigDict

# What clients are told to wait before they first ask us: the vendor documents 15-40 s, and some tasks are faster.
QUIET_SECONDS = 12
LATE_GAP_SECONDS = 300
# How many seconds of lag a question must save to be worth it (docs/decisions/0025-when-to-ask.md).
QUESTION_PRICE = 0.1
REMEMBERED = 80
MOST_MOMENTS = 150
_LONGEST_LATENCY_SECONDS = 3600.0

_DOCUMENTED_SECONDS = (15.0, 40.0)
_DOCUMENTED_MIDDLE_SECONDS = sum(_DOCUMENTED_SECONDS) / 2
_DOCUMENTED_WEIGHT = 4.0
_ANYTHING_WEIGHT = 1.0
# Of a latency, against the next newer one: 40 count, in all.
_FADING = 0.98
# A latency speaks for those within a sixth of it, as far as no other is nearer.
_REACH = 1 / 6
_LEAST_REACH_SECONDS = 0.25
# The first wait, and every later gap: that much, or a twelfth of the time that the task has run, 10 s at most.
_LONGEST_FIRST_WAIT_SECONDS = 120
_GAP_SECONDS = 5
_GAP_SHARE = 1 / 12
LONGEST_GAP_SECONDS = 10
# A callback is never expected more surely than that, and comes so long after the end, on average; the share of tasks
# that have one fades by as much with each newer task; and while they come, gaps grow to a minute.
_SUREST_CALLBACK = 0.99
_CALLBACK_SECONDS = 1.0
_CALLBACK_FADING = 0.9
_LONGEST_GAP_CALLED_BACK_SECONDS = 60
# The state machine's own steps and the question itself.
_ROUND_TRIP_SECONDS = 0.15
_MOST_STEPS = 240
_FEW = 10


class Latencies(BaseModel):
    """What a route's tasks took lately, in seconds, the newest last: `REMEMBERED` of them at most.

    `callback_share`: of those about which the provider was to call back, the share of which it does, as is believed.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    seconds: tuple[float, ...] = ()
    callback_share: float = 0.5

    def and_one(self, seconds: float) -> Latencies:
        """With one more, to a tenth of a second; the oldest is forgotten."""
        seen = round(min(max(seconds, 0.0), _LONGEST_LATENCY_SECONDS), 1)
        return self.model_copy(update={"seconds": (*self.seconds, seen)[-REMEMBERED:]})

    def called_back(self) -> Latencies:
        """With one more task that was ended by a callback."""
        return self._believing(1.0)

    def not_called_back(self, lag_seconds: float) -> Latencies:
        """With one more that was found done by a question, `lag_seconds` after its end: the callback may have been on
        its way. So a question that is faster than a callback is no sign against callbacks.
        """
        under_way = self.callback_share * exp(-max(0.0, lag_seconds) / _CALLBACK_SECONDS)
        return self._believing(under_way / (under_way + 1 - self.callback_share))

    def _believing(self, chance: float) -> Latencies:
        share = self.callback_share * _CALLBACK_FADING + chance * (1 - _CALLBACK_FADING)
        return self.model_copy(update={"callback_share": round(min(share, _SUREST_CALLBACK), 4)})


def moments(latencies: Latencies, *, has_callback: bool = False, price: float = QUESTION_PRICE) -> tuple[int, ...]:
    """When to ask, in seconds since the task was made, ascending: `MOST_MOMENTS` at most.

    `has_callback`: the provider was told where to call back. `price`: what a question may save in seconds of lag, to be
    worth it. Takes about a millisecond.
    """
    belief = _Belief(latencies)
    # A question finds only those of which nobody told: it saves that much less.
    silent_share = 1 - latencies.callback_share if has_callback else 1.0
    # The vendor's client asks the more, the longer a task takes: ours is to have less of both on slow routes as well.
    price *= min(1.0, _DOCUMENTED_MIDDLE_SECONDS / belief.usual_seconds)
    next_step = _plan(belief, price / silent_share, silent_share)
    found: list[int] = []
    step = next_step[0]
    while step < len(belief.masses) and len(found) < MOST_MOMENTS:
        found.append(step * belief.step_seconds)
        step = next_step[step]
    return tuple(found)


def wait_before_asking(asking_at: Sequence[int], *, began_at: datetime, now: datetime, deadline_at: datetime) -> int:
    """Whole seconds until the next question about a task that was made at `began_at`. Never past the deadline, never
    under 1; `asking_at` as from `moments`, or nothing.

    Beyond the deadline only those go on who get no answers: they have a day.
    """
    if now >= deadline_at:
        return LATE_GAP_SECONDS
    elapsed = max(0.0, (now - began_at).total_seconds())
    gaps = (round(moment - elapsed - _ROUND_TRIP_SECONDS) for moment in asking_at)
    gap = next((gap for gap in gaps if gap >= 1), None)
    if gap is None:
        gap = round(_longest_gap_seconds(elapsed))
    return max(1, min(gap, ceil((deadline_at - now).total_seconds())))


def epoch_ms(moment: datetime) -> int:
    """As the workflow compares moments: it can't read ours."""
    return int(moment.timestamp() * 1000)


def took_seconds(said: float | None, *, began_at: datetime, running_at: datetime | None, done_at: datetime) -> float:
    """What a task took that was last seen running at `running_at`, and first seen done at `done_at`.

    `said`: what the provider says that it took, believed as far as it agrees with what was seen. Else it is the middle
    of when it can have been, as if it had not been unseen for longer than the longest gap.
    """
    latest = max(0.0, (done_at - began_at).total_seconds())
    earliest = max(0.0, (running_at - began_at).total_seconds()) if running_at else 0.0
    if said is not None:
        return min(max(said, earliest), latest)
    return (max(earliest, latest - _longest_gap_seconds(latest)) + latest) / 2


def _longest_gap_seconds(elapsed: float, silent_share: float = 1.0) -> float:
    usual = min(LONGEST_GAP_SECONDS, max(_GAP_SECONDS, elapsed * _GAP_SHARE))
    return min(usual / silent_share, max(usual, _LONGEST_GAP_CALLED_BACK_SECONDS))


class _Belief:
    """How likely a task is to end in each step of time from its beginning; `beyond`: later than all of them."""

    def __init__(self, latencies: Latencies) -> None:
        seen = sorted(zip(latencies.seconds, _weights(len(latencies.seconds)), strict=True))
        # The middle one; `statistics` would cost every start that asks as much as all of this module.
        self.usual_seconds = max(1.0, seen[len(seen) // 2][0]) if seen else _DOCUMENTED_MIDDLE_SECONDS
        documented_weight = _DOCUMENTED_WEIGHT * _FADING ** (2 * len(seen))
        horizon = self._horizon(seen, documented=documented_weight > _ANYTHING_WEIGHT)
        self.step_seconds = max(1, ceil(horizon / _MOST_STEPS))
        steps = ceil(horizon / self.step_seconds)
        self._total = sum(weight for _, weight in seen) + documented_weight + _ANYTHING_WEIGHT
        # Whatever the route does: log-logistic around what is usual, so that the odds per second fall as time goes on.
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
        """How far it makes sense to plan: what comes later is rare, and must not make the steps coarse."""
        values = [value for value, _ in seen] + ([_DOCUMENTED_SECONDS[1]] if documented else [])
        late = values[len(values) * 9 // 10] if len(values) >= _FEW else max(values)
        return max(_GAP_SECONDS, min(2 * late, max(values) * 1.4)) + _GAP_SECONDS

    def _spread(self, first: float, last: float, weight: float) -> None:
        """Adds a latency that is as likely anywhere between the two."""
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
    """The best next step to ask in, for each step in which a task was seen running (0: was made)."""
    unit, masses = belief.step_seconds, belief.masses
    steps = len(masses)
    # Beyond the last step: questions at the longest gap, while the odds per second are 2 in what has passed.
    gap = _longest_gap_seconds(steps * unit, silent_share)
    cost = [0.0] * steps + [belief.beyond * (gap / 2 + price * max(1.0, steps * unit / (2 * gap)))]
    running = belief.beyond
    best = [steps] * steps
    for step in range(steps - 1, -1, -1):
        running += masses[step]
        widest = _LONGEST_FIRST_WAIT_SECONDS if step == 0 else _longest_gap_seconds(step * unit, silent_share)
        done = lag = 0.0
        least = float("inf")
        for asked in range(step + 1, min(steps, step + max(1, int(widest / unit))) + 1):
            mass = masses[asked - 1]
            lag += (done + mass / 2) * unit
            done += mass
            total = lag + cost[asked]
            if total < least:
                least, best[step] = total, asked
        cost[step] = least + price * running
    return best
