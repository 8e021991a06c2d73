"""What the retriers of a workflow come to: how long they last, and how many events they write into a history."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import jsonata

from tests.contract.asl_workflow import STATES, TASKS, following

THROTTLED = "Lambda.TooManyRequestsException"
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_EVENTS = 25_000
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
MOST_ATTEMPTS, DELAYS_BELOW_SECONDS = 99_999_999, 31_622_400
# What a visit of a state writes: it is entered and left; a task is scheduled, started, perhaps submitted, and ended.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
_ENTERED_AND_LEFT, _TRIED, _SUBMITTED = 2, 3, 1
# The states that a job comes back to again and again.
LOOPING = [name for name, task in TASKS.items() if "$rounds" in task["Output"]]


def _number(pattern: str) -> int:
    [found] = {int(number) for name in LOOPING for number in re.findall(pattern, TASKS[name]["Output"])}
    return found


# Of these rounds, any may be as short as a function says; of later ones, none.
QUICK_ROUNDS = _number(r"\$rounds > (\d+)")
SLOW_SECONDS = _number(r"\$max\(\[(\d+),")


def output_of(state: Mapping[str, Any], given: Mapping[str, Any], answer: Mapping[str, Any]) -> Any:
    """What a state passes on, whose input is `given` and whose function answers `answer`."""
    expression = jsonata.Jsonata(state["Output"].removeprefix("{%").removesuffix("%}").strip())
    expression.assign("states", {"input": given, "result": {"Payload": answer}})
    return expression.evaluate(None)


@dataclass(frozen=True, slots=True)
class Retrier:
    """How often a task is tried again, and after which delays at most, in seconds."""

    attempts: int
    first: float
    factor: float
    longest: float
    has_jitter: bool

    @classmethod
    def of(cls, retrier: Mapping[str, Any]) -> Retrier:
        """As it is written; `MaxDelaySeconds` and `JitterStrategy` may be missing."""
        return cls(
            attempts=retrier["MaxAttempts"],
            first=retrier["IntervalSeconds"],
            factor=retrier["BackoffRate"],
            longest=retrier.get("MaxDelaySeconds", DELAYS_BELOW_SECONDS),
            has_jitter=retrier.get("JitterStrategy") == "FULL",
        )

    def delays(self) -> Iterator[float]:
        """The longest that each can be; with full jitter, half of it on average."""
        delay = self.first
        for _ in range(self.attempts):
            yield delay
            delay = min(delay * self.factor, self.longest)

    def mean_seconds(self, attempts: int) -> float:
        """What the first so many delays take on average."""
        return sum(itertools.islice(self.delays(), attempts)) * (0.5 if self.has_jitter else 1)

    def surely_seconds(self) -> float:
        """What all delays take at least, but for one time in a billion: Hoeffding's bound on a sum of chances."""
        spread = sqrt(sum(delay**2 for delay in self.delays()) * log(1e9) / 2) if self.has_jitter else 0
        return self.mean_seconds(self.attempts) - spread


def retriers_of(task: Mapping[str, Any]) -> list[Retrier]:
    return [Retrier.of(retrier) for retrier in task["Retry"]]


def throttled_retrier(task: Mapping[str, Any]) -> dict[str, Any]:
    """The first that matches wins."""
    named: dict[str, Any] = next(
        found for found in task["Retry"] if {THROTTLED, "States.TaskFailed"} & {*found["ErrorEquals"]}
    )
    return named


def longest_patience(task: Mapping[str, Any]) -> float:
    """Seconds until a task fails for good, if every try but a throttled one takes all of its time."""
    retriers = {Retrier.of(found): THROTTLED in found["ErrorEquals"] for found in task["Retry"]}
    tries = 1 + sum(retrier.attempts for retrier, is_throttled in retriers.items() if not is_throttled)
    return sum(sum(retrier.delays()) for retrier in retriers) + tries * float(task["TimeoutSeconds"])


def events_of(state: Mapping[str, Any]) -> int:
    """What one visit writes that meets no failure but a last one."""
    if state["Type"] != "Task":
        return _ENTERED_AND_LEFT
    return _ENTERED_AND_LEFT + _TRIED + (_SUBMITTED if state["Resource"].endswith(".waitForTaskToken") else 0)


def events_between(task: str) -> int:
    """The most that the states after a task write until the next task that calls a function, or the end."""
    after = (name for name in following(STATES[task]) if name not in TASKS)
    return max((events_of(STATES[name]) + events_between(name) for name in after), default=0)


def retried(task: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
    """Events and mean seconds of every way to fail a few times and then do well. (More tries are rarer than these.)"""
    counts = (range(min(retrier.attempts, 9) + 1) for retrier in retriers_of(task))
    for tried in itertools.product(*counts):
        seconds = sum(map(Retrier.mean_seconds, retriers_of(task), tried))
        yield events_of(task) + _TRIED * sum(tried), seconds


def most_events(seconds: float, *, rounds_without_wait: int) -> float:
    """The most events that an execution writes in that time, however its functions are throttled or fail.

    Every round is one visit of a task and what follows it. Late rounds last `SLOW_SECONDS` and more, so their events a
    second have a maximum; time that earlier rounds take is lost for them.
    """
    rounds = [(events + events_between(name), spent) for name, task in TASKS.items() for events, spent in retried(task)]
    a_second = max(events / (SLOW_SECONDS + spent) for events, spent in rounds)
    a_quick_one = max(events - a_second * spent for events, spent in rounds)
    return (QUICK_ROUNDS + rounds_without_wait) * a_quick_one + a_second * seconds


def sum_of_attempts(task: Mapping[str, Any]) -> int:
    return sum(retrier.attempts for retrier in retriers_of(task))


def all_of(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every retrier of the tasks."""
    return [retrier for task in tasks for retrier in task["Retry"]]
