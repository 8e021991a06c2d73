"""What happened to a job, moment by moment: from its record, and from the states that its workflow was in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from heliograph.jobs.job import Attempt, Job


class TimelineKind(StrEnum):
    """What can happen. Published."""

    SUBMITTED = "submitted"
    WAITING = "waiting"
    ATTEMPT = "attempt"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ASKED = "asked"
    DELIVERING = "delivering"
    CANCEL_REQUESTED = "cancel_requested"
    FINISHED = "finished"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened; `until`, where it took time and is over. `attempt`: which one it is about, from 1."""

    at: datetime
    kind: TimelineKind
    detail: str
    until: datetime | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class StateVisit:
    """One visit of a state of the workflow. `outcome`, `reason`: what it came to, in its own words; `called_back`: the
    provider's callback ended it.
    """

    state: str
    entered_at: datetime
    left_at: datetime | None
    outcome: str | None = None
    reason: str | None = None
    called_back: bool = False


# By the names of the states in workflows/image_job.asl.json; the others say nothing that the record does not.
STATES: Mapping[str, tuple[TimelineKind, str]] = {
    "WaitForSlot": (TimelineKind.WAITING, "waits before the next create call"),
    "WaitForLostCall": (TimelineKind.WAITING, "waits for news of the create call"),
    "WaitToPoll": (TimelineKind.WAITING, "waits before asking the provider"),
    "WaitForCallback": (TimelineKind.WAITING, "waits for the provider's callback, or to ask"),
    "PollTask": (TimelineKind.ASKED, "asks the provider"),
    "FinalizeJob": (TimelineKind.DELIVERING, "stores the pictures"),
    "WaitToRetryFinalize": (TimelineKind.WAITING, "waits before storing the pictures again"),
}
_ANSWERS = {"processing": "still running", "finished": "finished", "failed": "failed", "again": "not all could be had"}


def timeline(job: Job, stays: Sequence[StateVisit]) -> tuple[TimelineEntry, ...]:
    """Oldest first; what happened in the same moment, in the order in which it must have."""
    moments = [*_recorded(job), *_visited(stays)]
    order = list(TimelineKind)
    return tuple(sorted(moments, key=lambda moment: (moment.at, order.index(moment.kind))))


def _recorded(job: Job) -> Iterator[TimelineEntry]:
    again = f", to do {job.retry_of} again" if job.retry_of else ""
    yield TimelineEntry(job.created_at, TimelineKind.SUBMITTED, f"submitted by {job.source.kind}{again}")
    for number, attempt in enumerate(job.attempts, start=1):
        yield from _attempted(number, attempt)
    # Where nothing was running, it was over at once.
    if job.cancel_requested_at and job.cancel_requested_at != job.finished_at:
        delivered = "was delivered already" if job.results else "will not be delivered"
        detail = f"a task can't be stopped at the provider; its picture {delivered}"
        yield TimelineEntry(job.cancel_requested_at, TimelineKind.CANCEL_REQUESTED, detail)
    if job.finished_at:
        why = f": {job.failure.code}, {job.failure.message}" if job.failure else ""
        yield TimelineEntry(job.finished_at, TimelineKind.FINISHED, f"{job.status}{why}")
    numbers = {attempt.attempt_id: number for number, attempt in enumerate(job.attempts, start=1)}
    for settlement in job.settlements:
        detail = f"{settlement.message} (charged: {settlement.charged})"
        yield TimelineEntry(settlement.at, TimelineKind.SETTLED, detail, attempt=numbers[settlement.attempt_id])


def _attempted(number: int, attempt: Attempt) -> Iterator[TimelineEntry]:
    yield TimelineEntry(attempt.intended_at, TimelineKind.ATTEMPT, f"calls {attempt.route}", attempt=number)
    if attempt.accepted_at:
        detail = f"{attempt.provider} made task {attempt.task_id}"
        yield TimelineEntry(attempt.accepted_at, TimelineKind.ACCEPTED, detail, attempt=number)
    if attempt.ended_at and attempt.failure:
        detail = f"{attempt.failure.code}: {attempt.failure.message} (charged: {attempt.failure.charged})"
        yield TimelineEntry(attempt.ended_at, TimelineKind.REFUSED, detail, attempt=number)


def _visited(stays: Sequence[StateVisit]) -> Iterator[TimelineEntry]:
    reason = None
    for stay in stays:
        if stay.state in STATES:
            kind, detail = STATES[stay.state]
            if kind is TimelineKind.WAITING:
                news = "called back" if stay.called_back and stay.state == "WaitForCallback" else reason
                told = f"{detail}: {news}" if news else detail
            else:
                answer = _ANSWERS.get(stay.outcome or "")
                told = ": ".join(part for part in (detail, answer, stay.reason) if part)
            yield TimelineEntry(stay.entered_at, kind, told, until=stay.left_at)
        # Why a wait begins, the state before it said.
        reason = stay.reason or (reason if stay.outcome is None else None)
