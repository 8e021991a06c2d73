"""Requests to a provider and all its answers, as values, so that each case must be decided."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.kernel.aspect_ratio import AspectRatio
    from heliograph.kernel.failures import Failure


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """One create call. `reference_urls` are links that the provider can fetch now, in the order of the request.

    `callback_url`: where the task's end may be announced; a secret, because it carries the attempt's token.
    """

    model: str
    prompt: str
    aspect_ratio: AspectRatio
    nsfw_checker: bool
    reference_urls: tuple[str, ...]
    callback_url: str | None = None

    def with_callback(self, url: str) -> TaskRequest:
        """The request with the URL for the callback."""
        return replace(self, callback_url=url)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task was made: money is held. It may be finished already (`result_urls`)."""

    task_id: str
    result_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Certain: nothing was made and nothing is held. `retry_after_seconds` as the provider wished, if it did."""

    failure: Failure
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The request may have arrived and a task may run: to call again could be to pay twice."""

    reason: str


CreateOutcome = Accepted | Refused | Uncertain


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Facts about the call that created a task, as far as an answer about the task gives them.

    `made_at`: by the provider's clock. `callback_sha256`: of the token in the callback URL that came with the call.
    """

    made_at: datetime | None = None
    callback_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StillRunning:
    """The task is pending or processing, or in a state whose name we don't know."""

    facts: TaskFacts = field(default=TaskFacts(), compare=False)


@dataclass(frozen=True, slots=True)
class Completed:
    """The task has its images (at least one), and they are charged. `took_seconds`: by the provider's own clock."""

    result_urls: tuple[str, ...]
    took_seconds: float | None = None
    facts: TaskFacts = field(default=TaskFacts(), compare=False)


@dataclass(frozen=True, slots=True)
class NoResultYet:
    """The task is completed and names no image. It may be charged, and a moment later the images may be named."""

    facts: TaskFacts = field(default=TaskFacts(), compare=False)


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task ended without an image."""

    failure: Failure
    facts: TaskFacts = field(default=TaskFacts(), compare=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody can say how the task is: the question got no usable answer. The task itself may be well."""

    reason: str


KnownState = StillRunning | Completed | NoResultYet | TaskFailed
TaskState = KnownState | NoAnswer
