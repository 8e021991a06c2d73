"""The life of a task: when it moves is a pure function of the clock, how it ends is written down once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Literal

from local.upstream.faults import Fault
from local.upstream.orders import Order
from local.upstream.settings import Settings

Phase = Literal["pending", "processing", "due"]

_PENDING_SHARE = 0.1  # of the latency, before the task is worked on


@dataclass(frozen=True)
class Walk:
    """When a task moves, in epoch seconds. ``due_at`` is None for a task that never finishes."""

    created_at: float
    processing_at: float
    due_at: float | None

    def phase(self, now: float) -> Phase:
        """Where the clock has brought the task."""
        if self.due_at is not None and now >= self.due_at:
            return "due"
        return "processing" if now >= self.processing_at else "pending"


@dataclass(frozen=True)
class Ending:
    """How a task ended; a terminal state never changes."""

    state: Literal["completed", "failed"]
    completed_at: float
    result_urls: tuple[str, ...] = ()
    named_at: float | None = None
    """When the results are named, if that is later than the end."""
    fail_msg: str | None = None
    fail_code: str | None = None
    retryable: bool | None = None

    def links(self, now: float) -> tuple[str, ...]:
        """The results that are named by now."""
        return self.result_urls if self.named_at is None or now >= self.named_at else ()


@dataclass(frozen=True)
class Painted:
    """A picture that is ready to be published."""

    image: bytes
    output_format: str


@dataclass(frozen=True)
class Spoilt:
    """Work that came to nothing, in the words the task will fail with."""

    fail_msg: str
    fail_code: str | None = None
    retryable: bool | None = False


@dataclass
class Task:
    """One accepted create call, and all that became of it."""

    task_id: str
    key: str
    order: Order
    walk: Walk
    fault: Fault | None = None
    ending: Ending | None = None
    work: asyncio.Task[Painted | Spoilt] | None = None
    forged: bool = False
    callback_log: list[dict[str, object]] = field(default_factory=list)

    def state(self, now: float) -> str:
        """The state in the simulator's words, which are those of apimodels.app; a task whose work is late stays
        ``processing``.
        """
        if self.ending is not None:
            return self.ending.state
        if self.fault is not None and self.fault.kind == "unknown_state":
            return self.fault.text("state", "queued_upstream")
        return "pending" if self.walk.phase(now) == "pending" else "processing"


def plan_walk(settings: Settings, sequence: int, now: float, fault: Fault | None) -> Walk:
    """Draw a task's latency: uniform with an optional long tail, from the seed and the task's number alone."""
    # The seed makes runs repeatable; nothing secret hangs on it.
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
    return Walk(
        created_at=now,
        processing_at=now + seconds * _PENDING_SHARE,
        due_at=None if never else now + seconds,
    )
