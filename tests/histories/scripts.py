"""The script of an execution, and the trace that an interpreter of the workflow leaves when it plays it.

A `History` is written down once, as data: which states are entered, what each function answers or how it fails, and how
the execution ends. Every interpreter plays the same histories against a `Stage`, which hands out what happens next; a
trace that differs from `History.trace()` is a mistake in the workflow, or in what somebody believes about Step
Functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Answers:
    """The function returns a document."""

    document: Any


@dataclass(frozen=True)
class Raises:
    """The function raises an exception of that class."""

    error: str


@dataclass(frozen=True)
class Refused:
    """Lambda does not invoke the function, and says so by an error code of its API."""

    code: str


@dataclass(frozen=True)
class TimesOut:
    """The function is still running at the task's time-out."""


@dataclass(frozen=True)
class ForGood:
    """The same, again and again, until no retrier allows another attempt."""

    each: Raises | Refused | TimesOut


class News(StrEnum):
    """What becomes of a wait for a callback."""

    NONE = "nobody calls back"
    COMES = "a callback ends the wait"
    CAME = "a callback came before the wait began"
    NO_TABLE = "the table of waits is gone"


Call = Answers | Raises | Refused | TimesOut


@dataclass(frozen=True)
class At:
    """A state is entered.

    `happens`: to its task, attempt by attempt. `then`: what the state hands on, where that is neither the function's
    answer nor the state's own input.
    """

    state: str
    happens: tuple[Call | ForGood | News, ...] = ()
    then: Any = None


def at(state: str, *happens: Call | ForGood | News, then: Any = None) -> At:
    return At(state, happens, then)


@dataclass(frozen=True)
class Trace:
    """What an interpreter did.

    `entered`: each state with its input. `called`: each attempt at a function, by its ARN, with its payload. `waited`:
    the seconds of each wait, and of each wait for a callback. `status`, `error` and `output`: as `DescribeExecution`
    tells them.
    """

    entered: tuple[tuple[str, Any], ...]
    called: tuple[tuple[str, Any], ...]
    waited: tuple[float, ...]
    status: str
    error: str | None
    cause: str | None
    output: Any


@dataclass(frozen=True)
class History:
    """One execution of a workflow. `error` and `cause`: how it fails, if it does; a `None` cause is not compared."""

    name: str
    steps: tuple[At, ...]
    begins_with: Any
    error: str | None = None
    cause: str | None = None

    def trace(self, workflow: dict[str, Any]) -> Trace:
        """What every interpreter should leave."""
        entered: list[tuple[str, Any]] = []
        called: list[tuple[str, Any]] = []
        waited: list[float] = []
        document = self.begins_with
        for step in self.steps:
            state = workflow["States"][step.state]
            entered.append((step.state, document))
            if is_function(state):
                function = state["Arguments"]["FunctionName"]
                called += [(function, document)] * len(list(self._calls(step, state)))
            elif state["Type"] == "Wait" or {News.NONE, News.COMES}.intersection(step.happens):
                waited.append(document["wait_seconds"])
            document = _counted(state, document, _handed_on(step, document))
        return Trace(
            entered=tuple(entered),
            called=tuple(called),
            waited=tuple(waited),
            status="FAILED" if self.error else "SUCCEEDED",
            error=self.error,
            cause=self.cause,
            output=None if self.error else document,
        )

    def script(self, workflow: dict[str, Any]) -> Iterator[tuple[str, Call | News]]:
        """Everything that happens, one after another, with the state in which it does."""
        for step in self.steps:
            state = workflow["States"][step.state]
            if is_function(state):
                yield from ((step.state, call) for call in self._calls(step, state))
            else:
                yield from ((step.state, news) for news in step.happens if isinstance(news, News))

    @staticmethod
    def _calls(step: At, state: dict[str, Any]) -> Iterator[Call]:
        for happening in step.happens:
            match happening:
                case ForGood(each=each):
                    yield from [each] * (1 + most_retries(state, error_name(each)))
                case Answers() | Raises() | Refused() | TimesOut():
                    yield happening
                case News():
                    raise AssertionError(f"{step.state} invokes a function")


def is_function(state: dict[str, Any]) -> bool:
    """Whether a state invokes a function."""
    return "FunctionName" in state.get("Arguments", {})


def error_name(call: Raises | Refused | TimesOut) -> str:
    """The error name that Step Functions matches: the exception's class, or Lambda's error code with a prefix."""
    match call:
        case Raises(error=error):
            return error
        case Refused(code=code):
            return f"Lambda.{code}"
        case TimesOut():
            return "States.Timeout"


def most_retries(state: dict[str, Any], error: str) -> int:
    """How often the first retrier that matches allows another attempt."""
    for retrier in state.get("Retry", []):
        names = set(retrier["ErrorEquals"])
        if error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout"):
            return int(retrier["MaxAttempts"])
    return 0


def _handed_on(step: At, document: Any) -> Any:
    if step.then is not None:
        return step.then
    last = step.happens[-1] if step.happens else None
    return last.document if isinstance(last, Answers) else document


def _counted(state: dict[str, Any], entered: Any, handed_on: Any) -> Any:
    """With the round counted, where the state counts one, or kept, where it waits; a caught error has no count."""
    if handed_on.get("outcome") == "crashed":
        return handed_on
    if "$rounds" in state.get("Output", ""):
        return {**handed_on, "rounds": entered.get("rounds", 0) + 1}
    if not is_function(state) and "rounds" in entered:
        return {**handed_on, "rounds": entered["rounds"]}
    return handed_on


@dataclass
class Stage:
    """Hands out what happens next, and writes down what the interpreter does."""

    history: History
    workflow: dict[str, Any]
    called: list[tuple[str, Any]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    deviations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._script = self.history.script(self.workflow)

    def call(self, function: str, payload: Any) -> Call:
        """What happens when a function is invoked, by the name that the workflow has for it."""
        self.called.append((function, payload))
        state, happening = self._next()
        if isinstance(happening, News) or self._function_of(state) != function:
            return self._deviates(f"invoked {function} where the history has {happening} in {state!r}")
        return happening

    def news(self) -> News:
        """What becomes of the wait for a callback that begins."""
        state, happening = self._next()
        if not isinstance(happening, News):
            self._deviates(f"waits for a callback where the history has {happening} in {state!r}")
            return News.NONE
        return happening

    def _next(self) -> tuple[str, Call | News]:
        return next(self._script, ("after its end", Raises("AfterTheEnd")))

    def _function_of(self, state: str) -> Any:
        return self.workflow["States"].get(state, {}).get("Arguments", {}).get("FunctionName")

    def _deviates(self, how: str) -> Raises:
        self.deviations.append(how)
        return Raises("Deviation")

    def left(self) -> list[str]:
        """What should have happened, and did not."""
        return [*self.deviations, *(f"{happening} in {state!r} did not happen" for state, happening in self._script)]
