"""A vendor that answers what it is told to and keeps its books."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.books import Books
from heliograph.providers.protocol import Accepted, Completed, CreateOutcome, Refused, TaskRequest, TaskState

from tests.fakes.script import Afterwards

CreateLine = CreateOutcome | BaseException | Afterwards | Callable[[], CreateOutcome]


class ScriptedProvider:
    """An `ImageProvider`. Unscripted, it accepts every create call and has every task done at the first question."""

    def __init__(self) -> None:
        self.requests: list[TaskRequest] = []
        self.tasks: list[str] = []
        self.questions: list[str] = []
        # What the account shows; nothing, unless it is told to.
        self.account: Books | None = None
        self._creates: deque[CreateLine] = deque()
        self._answers: deque[TaskState | Callable[[], TaskState]] = deque()

    def will_answer_create(self, *lines: CreateLine) -> None:
        """What the next create calls bring. `Afterwards`: the task is made, and its answer never arrives."""
        self._creates.extend(lines)

    def will_say(self, *states: TaskState | Callable[[], TaskState]) -> None:
        """What the next questions bring; after that, every task is completed."""
        self._answers.extend(states)

    @property
    def create_calls(self) -> int:
        """How often money was committed."""
        return len(self.requests)

    def create(self, request: TaskRequest) -> CreateOutcome:
        self.requests.append(request)
        line = self._creates.popleft() if self._creates else None
        if isinstance(line, Afterwards):
            self._made()
            raise line.error
        if isinstance(line, BaseException):
            raise line
        if callable(line):
            line = line()
        if line is None:
            return Accepted(self._made())
        if isinstance(line, Accepted):
            self.tasks.append(line.task_id)
        return line

    def poll(self, task_id: str) -> TaskState:
        self.questions.append(task_id)
        if not self._answers:
            return Completed(result_urls_of(task_id))
        answer = self._answers.popleft()
        return answer() if callable(answer) else answer

    def books(self) -> Books | None:
        return self.account

    def _made(self) -> str:
        self.tasks.append(f"task-{len(self.tasks) + 1}")
        return self.tasks[-1]


def result_urls_of(task_id: str, numbers: Iterable[int] = (1,)) -> tuple[str, ...]:
    """Where this vendor keeps what a task made."""
    return tuple(f"https://results.test/{task_id}/{number}.png" for number in numbers)


def refusal(code: FailureCode, *, again: bool, after: int | None = None) -> Refused:
    return Refused(Failure(code=code, message="refused", retryable=again, charged=Charged.NO), after)
