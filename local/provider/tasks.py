"""Tasks: their state is a function of the clock until an outcome is recorded, once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Literal

from local.provider.create_requests import CreateRequest
from local.provider.faults import Fault
from local.provider.settings import Settings

Phase = Literal["pending", "processing", "due"]

_PENDING_SHARE = 0.1  # share of the latency before the task is processed


@dataclass(frozen=True)
class Schedule:
    """Times of a task's changes of state, in epoch seconds. ``due_at`` is None for a task that never ends."""

    created_at: float
    processing_at: float
    due_at: float | None

    def phase(self, now: float) -> Phase:
        """Phase of the task at that time."""
        if self.due_at is not None and now >= self.due_at:
            return "due"
        return "processing" if now >= self.processing_at else "pending"


@dataclass(frozen=True)
class Outcome:
    """End of a task; a terminal state never changes."""

    state: Literal["completed", "failed"]
    completed_at: float
    result_urls: tuple[str, ...] = ()
    listed_at: float | None = None
    """Time at which the results are listed, if later than the end."""
    fail_msg: str | None = None
    fail_code: str | None = None
    retryable: bool | None = None

    def links(self, now: float) -> tuple[str, ...]:
        """Results that are listed by that time."""
        return self.result_urls if self.listed_at is None or now >= self.listed_at else ()


@dataclass(frozen=True)
class Rendered:
    """An image that is ready to be stored."""

    image: bytes
    output_format: str


@dataclass(frozen=True)
class TaskFailure:
    """Work that failed, with the task's failure message."""

    fail_msg: str
    fail_code: str | None = None
    retryable: bool | None = False


@dataclass
class Task:
    """A task: an accepted create call and its progress."""

    task_id: str
    key: str
    request: CreateRequest
    schedule: Schedule
    fault: Fault | None = None
    outcome: Outcome | None = None
    work: asyncio.Task[Rendered | TaskFailure] | None = None
    forged: bool = False
    callback_log: list[dict[str, object]] = field(default_factory=list)

    def state(self, now: float) -> str:
        """State under apimodels.app's names. A task that is due stays ``processing`` until its image is ready."""
        if self.outcome is not None:
            return self.outcome.state
        if self.fault is not None and self.fault.kind == "unknown_state":
            return self.fault.text("state", "in_backlog")
        return "pending" if self.schedule.phase(now) == "pending" else "processing"


def plan_schedule(settings: Settings, sequence: int, now: float, fault: Fault | None) -> Schedule:
    """Schedule of a task: a uniform latency with an optional long tail, drawn from the seed and the task's number."""

    chance = random.Random(f"{settings.seed}:{sequence}")
    seconds = chance.uniform(settings.latency_min_seconds, settings.latency_max_seconds)
    if chance.random() < settings.tail_probability:
        seconds = settings.tail_seconds
    never = False
    if fault is not None:
        never = fault.kind == "never_finishes" or (fault.kind == "unknown_state" and fault.flag("forever", False))
        if fault.kind == "long_tail":
            seconds = fault.number("seconds", settings.tail_seconds)
    seconds *= settings.latency_scale
    return Schedule(
        created_at=now,
        processing_at=now + seconds * _PENDING_SHARE,
        due_at=None if never else now + seconds,
    )
