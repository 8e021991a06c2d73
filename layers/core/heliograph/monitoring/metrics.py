"""What is measured: every metric with its unit and the question that it answers, and what each fact amounts to.

A metric has one dimension at most, of few values: every value is a series that is paid by the hour in which it is told.
Ids and tenants are properties of the line that tells it, never dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from heliograph.jobs.status import JobStatus
from heliograph.kernel.failures import FailureCode
from heliograph.kernel.money import MICRODOLLARS

if TYPE_CHECKING:
    from heliograph.execution.outcomes import PollOutcome, Watch
    from heliograph.jobs.job import Job
    from heliograph.kernel.event_envelope import Envelope
    from heliograph.webhooks.delivery import SendOutcome


@dataclass(frozen=True, slots=True)
class Metric:
    """`dimension`: what its series are told apart by; one series without."""

    name: str
    unit: Literal["Count", "Seconds", "None"]
    question: str
    dimension: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One value of a metric; `of`: of which of its series."""

    metric: Metric
    value: float
    of: str | None = None


JOBS_SUBMITTED = Metric("JobsSubmitted", "Count", "How many jobs are submitted, and from where?", "source")
JOBS_ENDED = Metric("JobsEnded", "Count", "How do jobs end? Failed jobs by their code.", "outcome")
JOB_FAULTS = Metric(
    "JobFaults", "Count", "What share of ended jobs (the average) got no image, not counting errors of their owners?"
)
JOB_TIME = Metric("JobTime", "Seconds", "How long does an image take, from the submission until it is stored?")
QUEUE_TIME = Metric("QueueTime", "Seconds", "How long do jobs wait for their first create call?")
PROVIDER_LATENCY = Metric(
    "ProviderLatency", "Seconds", "How fast is each route, from the create call until the image is ready?", "route"
)
STORAGE_LAG = Metric(
    "StorageLag",
    "Seconds",
    "How long after the end of its task is an image stored?",
)
POLLS = Metric("Polls", "Count", "How many polls does a task take?")
UNANSWERED = Metric("PollsUnanswered", "Count", "How many polls did the provider not answer?")
SPENT = Metric("SpentUsd", "None", "What do ended jobs cost?")
UNKNOWN = Metric("UnknownUsd", "None", "What may ended jobs have cost, if it is unknown?")
ANNOUNCEMENTS = Metric("Announcements", "Count", "Which other events were published? (At least once each.)", "event")
WEBHOOK_ATTEMPTS = Metric("WebhookAttempts", "Count", "Do receivers acknowledge their webhooks?", "outcome")
WEBHOOK_AGE = Metric("WebhookAge", "Seconds", "How old is an event when its receiver acknowledges it?")
SECRETS_SHOWN = Metric("SecretsShown", "Count", "How often are signing secrets of webhooks read?")
JOBS_SWEPT = Metric("JobsSwept", "Count", "How much did the sweep find to do?")
STUCK_JOBS = Metric("StuckJobs", "Count", "How many jobs should have moved long ago, but have not?")
UNAVAILABLE_ROUTES = Metric("UnavailableRoutes", "Count", "How many routes accept no calls?")
UNREADABLE_RECORDS = Metric("UnreadableRecords", "Count", "How many unreadable records did lists leave out?")
# Told by no function: filters of the log make it of what functions and their runtime say.
FUNCTION_ERRORS = Metric("FunctionErrors", "Count", "How often does a function fail?")

METRICS = (
    JOBS_SUBMITTED,
    JOBS_ENDED,
    JOB_FAULTS,
    JOB_TIME,
    QUEUE_TIME,
    PROVIDER_LATENCY,
    STORAGE_LAG,
    POLLS,
    UNANSWERED,
    SPENT,
    UNKNOWN,
    ANNOUNCEMENTS,
    WEBHOOK_ATTEMPTS,
    WEBHOOK_AGE,
    SECRETS_SHOWN,
    JOBS_SWEPT,
    STUCK_JOBS,
    UNAVAILABLE_ROUTES,
    UNREADABLE_RECORDS,
    FUNCTION_ERRORS,
)

# What a job's owner can fix, or has decided: nobody is to be woken for it.
OF_THE_OWNER = frozenset(
    {
        FailureCode.INVALID_INPUT,
        FailureCode.UNSUPPORTED_MEDIA,
        FailureCode.CONTENT_BLOCKED,
        FailureCode.BUDGET_EXCEEDED,
        FailureCode.PRESET_STOPPED,
    }
)
# The others are counted as jobs.
ANNOUNCED = frozenset(
    {
        "image.upload.rejected",
        "image.preset.stopped",
        "image.preset.rejected",
        "image.budget.warning",
        "image.budget.exhausted",
        "image.route.opened",
        "image.route.closed",
        "webhook.endpoint.disabled",
    }
)


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """How things stand: jobs that should have moved long ago, and routes that take no calls."""

    stuck_jobs: int
    unavailable_routes: int


def of_submission(job: Job) -> Iterator[Measure]:
    """Of a job that was just written down."""
    yield Measure(JOBS_SUBMITTED, 1, of=job.source.kind)


def of_end(job: Job) -> Iterator[Measure]:
    """Of a job that has just ended."""
    if job.finished_at is None:
        return
    failed = job.failure if job.status is JobStatus.FAILED else None
    yield Measure(JOBS_ENDED, 1, of=failed.code if failed else job.status)
    yield Measure(JOB_FAULTS, int(_is_fault(job)))
    yield Measure(SPENT, job.price_microusd / MICRODOLLARS)
    if unknown := job.unknown_cost_microusd:
        yield Measure(UNKNOWN, unknown / MICRODOLLARS)
    if job.attempts:
        yield Measure(QUEUE_TIME, _seconds(job.created_at, job.attempts[0].intended_at))
    if job.status is not JobStatus.SUCCEEDED or job.attempt is None:
        return
    yield Measure(JOB_TIME, _seconds(job.created_at, job.finished_at))
    if ready_at := job.attempt.ready_at:
        yield Measure(PROVIDER_LATENCY, _seconds(job.attempt.intended_at, ready_at), of=job.attempt.route)
        yield Measure(STORAGE_LAG, _seconds(ready_at, job.finished_at))


def of_question(outcome: PollOutcome, asked: Watch) -> Iterator[Measure]:
    """Of one question and what came of it."""
    if outcome.outcome != "processing":
        yield Measure(POLLS, asked.polls + 1)
    elif outcome.unanswered:
        yield Measure(UNANSWERED, 1)


def of_delivery(outcome: SendOutcome) -> Iterator[Measure]:
    """Of an attempt at a webhook; nothing if none was made."""
    attempt = outcome.attempt
    if attempt is None:
        return
    ended = outcome.outcome == "done"
    yield Measure(WEBHOOK_ATTEMPTS, 1, of="taken" if attempt.accepted else "given_up" if ended else "refused")
    if attempt.accepted and attempt.age_seconds is not None:
        yield Measure(WEBHOOK_AGE, attempt.age_seconds)


def of_announcement(event: Envelope) -> Iterator[Measure]:
    """Of an event that went out; nothing for that of a job."""
    if event.event_type in ANNOUNCED:
        yield Measure(ANNOUNCEMENTS, 1, of=event.event_type)


def of_sweep(done: int, survey: HealthSnapshot) -> Iterator[Measure]:
    """Of what a sweep did, and how things stand after it. Always told: silence means that nobody sweeps."""
    yield Measure(JOBS_SWEPT, done)
    yield Measure(STUCK_JOBS, survey.stuck_jobs)
    yield Measure(UNAVAILABLE_ROUTES, survey.unavailable_routes)


def of_list(unreadable: int) -> Iterator[Measure]:
    """Of a list that was read; nothing where all of it could be."""
    if unreadable:
        yield Measure(UNREADABLE_RECORDS, unreadable)


def _is_fault(job: Job) -> bool:
    match job.status:
        case JobStatus.FAILED:
            return job.failure is None or job.failure.code not in OF_THE_OWNER
        case status:
            return status is JobStatus.EXPIRED


def _seconds(start: datetime, end: datetime) -> float:
    """Clocks differ: what would be negative is nothing."""
    return max(0.0, round((end - start).total_seconds(), 3))
