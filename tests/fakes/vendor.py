"""A vendor with tasks that live their own life, and books of what it made, charged and released.

What a task will come to is settled when it is made (its `Fate`); the clock does the rest. What a call or a question
meets (the `Mood`) is the caller's affair. The books know only what happened here, never what somebody made of it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from heliograph.kernel.errors import ResultUnusable
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import token_digest
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.ports import Clock
from heliograph.providers.books import Books
from heliograph.providers.protocol import (
    Accepted,
    Completed,
    CreateOutcome,
    NoAnswer,
    NoResultYet,
    Refused,
    StillRunning,
    TaskFacts,
    TaskFailed,
    TaskRequest,
    TaskState,
    Uncertain,
)
from heliograph.storage.objects import DownloadedImage

from tests.fakes.provider import result_urls_of
from tests.fakes.results import picture_at

PRICES = {"gpt-image-2-beta": 60_000, "gpt-image-2": 50_000}


class Creating(StrEnum):
    """What a create call meets."""

    ACCEPTED = "accepted"
    DONE_AT_ONCE = "done at once"
    CUT_BEFORE = "cut before it arrived"
    CUT_AFTER = "made, and cut before the answer"
    BROKEN = "5xx, nothing made"
    BROKEN_AFTER = "5xx, and made all the same"
    BAD_REQUEST = "400"
    NO_BALANCE = "402"
    BUSY = "429"
    BUSY_FOR_LONG = "429 with Retry-After"
    UNREACHABLE = "no connection"

    @property
    def makes_a_task(self) -> bool:
        return self in {Creating.ACCEPTED, Creating.DONE_AT_ONCE, Creating.CUT_AFTER, Creating.BROKEN_AFTER}

    @property
    def is_refusal(self) -> bool:
        """The caller is told, for certain, that nothing was made."""
        return self in _REFUSALS


_REFUSALS = {
    Creating.BAD_REQUEST: Refused(
        Failure(code=FailureCode.INVALID_INPUT, message="400", retryable=False, charged=Charged.NO)
    ),
    Creating.NO_BALANCE: Refused(
        Failure(code=FailureCode.ROUTE_UNAVAILABLE, message="402", retryable=False, charged=Charged.NO)
    ),
    Creating.BUSY: Refused(Failure(code=FailureCode.RATE_LIMITED, message="429", retryable=True, charged=Charged.NO)),
    Creating.BUSY_FOR_LONG: Refused(
        Failure(code=FailureCode.RATE_LIMITED, message="429", retryable=True, charged=Charged.NO), 600
    ),
    Creating.UNREACHABLE: Refused(
        Failure(code=FailureCode.ROUTE_UNAVAILABLE, message="unreachable", retryable=True, charged=Charged.NO)
    ),
}


class End(StrEnum):
    """What a task comes to."""

    PICTURES = "pictures"
    BROKEN_PICTURE = "a picture that nobody can use"
    NOTHING = "completed without a result"
    NOTHING_BUT_A_BILL = "completed without a result, and charged"
    MODERATED = "CONTENT_MODERATION"
    UPSTREAM_BUSY = "UPSTREAM_BUSY"
    FAILED = "failed without a code"
    NEVER = "never"


_FAILURES = {
    End.MODERATED: (FailureCode.CONTENT_BLOCKED, False, Charged.NO),
    End.UPSTREAM_BUSY: (FailureCode.ROUTE_UNAVAILABLE, True, Charged.NO),
    End.FAILED: (FailureCode.PROVIDER_FAILED, True, Charged.NO),
}


class Host(StrEnum):
    """What a download meets."""

    WELL = "well"
    AWAY = "away"
    ERROR_PAGE = "an error page instead of a picture"


@dataclass(frozen=True)
class Fate:
    """What becomes of a task, and after how long."""

    end: End = End.PICTURES
    after_seconds: int = 20
    pictures: int = 1
    # How long after its end it names its pictures.
    named_after_seconds: int = 0


@dataclass(frozen=True)
class Mood:
    """How the vendor is at the moment."""

    creating: Creating = Creating.ACCEPTED
    fate: Fate = field(default_factory=Fate)
    answers_questions: bool = True
    host: Host = Host.WELL
    # A task that is over at once is announced before the answer to its create call has left.
    announces_early: bool = False


@dataclass(frozen=True)
class Task:
    """A task in the books."""

    task_id: str
    prompt: str
    price_microusd: int
    made_at: datetime
    fate: Fate
    callback_url: str | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When it is completed or failed; `None` if never."""
        return None if self.fate.end is End.NEVER else self.made_at + timedelta(seconds=self.fate.after_seconds)

    def is_running(self, now: datetime) -> bool:
        return self.ends_at is None or now < self.ends_at

    def charge(self, now: datetime) -> int:
        """Micro-dollars taken so far: charged on completion, never for a task that failed."""
        ends_in_a_bill = self.fate.end in {End.PICTURES, End.BROKEN_PICTURE, End.NOTHING_BUT_A_BILL}
        return self.price_microusd if ends_in_a_bill and not self.is_running(now) else 0

    def may_bill(self, now: datetime) -> bool:
        """Whether money was taken or is still held."""
        return self.is_running(now) or self.charge(now) > 0

    @property
    def pictures(self) -> tuple[str, ...]:
        """Where its pictures are, or will be."""
        if self.fate.end not in {End.PICTURES, End.BROKEN_PICTURE}:
            return ()
        return result_urls_of(self.task_id, range(1, self.fate.pictures + 1))

    def links(self, now: datetime) -> tuple[str, ...]:
        """Its pictures, once it names them."""
        named_at = self.ends_at + timedelta(seconds=self.fate.named_after_seconds) if self.ends_at else None
        return self.pictures if named_at and now >= named_at else ()


@dataclass(frozen=True)
class Call:
    """A create call in the books: for which prompt, what it met, and where it wants to be called back."""

    prompt: str
    creating: Creating
    callback_url: str | None = None
    task: Task | None = None


class Vendor:
    """An `ImageProvider` and the `ResultSource` behind it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.mood = Mood()
        self.calls: list[Call] = []
        self.tasks: dict[str, Task] = {}
        # The links at which somebody met an error page instead of the picture.
        self.pages_served: set[str] = set()
        # The tasks about which somebody asked in vain.
        self.refused_questions: set[str] = set()
        # Whether an answer about a task repeats its create call, callback link and all.
        self.repeats_calls = False
        # Who brings an announcement on its way that is made while the create call is.
        self.announce: Callable[[Task], None] = lambda task: None

    def create(self, request: TaskRequest) -> CreateOutcome:
        """Not idempotent, as the real one."""
        mood, url = self.mood, request.callback_url
        creating = mood.creating
        if creating.makes_a_task:
            task = self._make(request, mood.fate if creating is not Creating.DONE_AT_ONCE else _at_once(mood.fate))
            self.calls.append(Call(request.prompt, creating, url, task))
            if mood.announces_early and url and not task.is_running(self._clock.now()):
                self.announce(task)
            if creating is Creating.ACCEPTED:
                return Accepted(task.task_id)
            if creating is Creating.DONE_AT_ONCE:
                return Accepted(task.task_id, task.links(self._clock.now()))
        else:
            self.calls.append(Call(request.prompt, creating, url))
        return _REFUSALS.get(creating) or Uncertain(creating)

    def poll(self, task_id: str) -> TaskState:
        if not self.mood.answers_questions:
            self.refused_questions.add(task_id)
            return NoAnswer("502")
        if task_id not in self.tasks:
            return NoAnswer("404")
        task, now = self.tasks[task_id], self._clock.now()
        token = task.callback_url.rpartition("/")[2] if task.callback_url and self.repeats_calls else None
        facts = TaskFacts(task.made_at, token_digest(token) if token else None)
        if task.is_running(now):
            return StillRunning(facts)
        if links := task.links(now):
            return Completed(links, facts=facts)
        if task.fate.end not in _FAILURES:
            return NoResultYet(facts)
        code, retryable, charged = _FAILURES[task.fate.end]
        return TaskFailed(Failure(code=code, message=task.fate.end, retryable=retryable, charged=charged), facts)

    def books(self) -> Books | None:
        if not self.mood.answers_questions:
            return None
        now = self._clock.now()
        charged = sum(task.charge(now) for task in self.tasks.values())
        held = sum(task.price_microusd for task in self.tasks.values() if task.is_running(now))
        return Books(balance_microusd=100_000_000 - charged, held_microusd=held)

    @contextmanager
    def fetch(self, url: str) -> Iterator[DownloadedImage]:
        if self.mood.host is Host.AWAY:
            raise ResultUnusable("its host said 503", again=True, host_failed=True)
        if self.mood.host is Host.ERROR_PAGE:
            self.pages_served.add(url)
            raise ResultUnusable("it is no picture", again=True)
        task = next(task for task in self.tasks.values() if url in task.links(self._clock.now()))
        if task.fate.end is End.BROKEN_PICTURE and url == task.links(self._clock.now())[-1]:
            raise ResultUnusable("it is too large", again=False)
        body = picture_at(url)
        yield DownloadedImage(
            io.BytesIO(body), MediaType.PNG, len(body), hashlib.sha256(body).hexdigest(), width=1024, height=768
        )

    def made_for(self, prompt: str) -> list[Task]:
        """The tasks of a wish, in the order they were made."""
        return [task for task in self.tasks.values() if task.prompt == prompt]

    def to_announce(self) -> list[Task]:
        """The tasks that are over and whose end somebody wants to hear of."""
        now = self._clock.now()
        return [task for task in self.tasks.values() if task.callback_url and not task.is_running(now)]

    def _make(self, request: TaskRequest, fate: Fate) -> Task:
        task = Task(
            task_id=f"task-{len(self.tasks) + 1}",
            prompt=request.prompt,
            price_microusd=PRICES[request.model],
            made_at=self._clock.now(),
            fate=fate,
            callback_url=request.callback_url,
        )
        self.tasks[task.task_id] = task
        return task


def _at_once(fate: Fate) -> Fate:
    return Fate(End.PICTURES, after_seconds=0, pictures=fate.pictures)
