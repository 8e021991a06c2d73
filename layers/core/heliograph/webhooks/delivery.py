"""Webhook deliveries: one message to one receiver, its attempts and its retry schedule."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.kernel.jitter import jitter_fraction
from heliograph.kernel.moments import Moment
from heliograph.kernel.pagination import PageQuery
from heliograph.kernel.printable import without_unprintable
from heliograph.kernel.validation import faults_of
from heliograph.webhooks.bus_event import ReceivedEvent

DELIVERY_ID = re.compile(r"dlv_[a-z2-7]{26}")
# Wait after each failed attempt but the last: the example schedule of Standard Webhooks.
RETRY_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAX_ATTEMPTS = len(RETRY_SCHEDULE) + 1
# Longest wait that a receiver can ask for with `Retry-After`.
MAX_WAIT = timedelta(hours=24)
# Largest fraction that is added to a wait, so that deliveries that failed together are not retried together.
JITTER = 0.1
RETENTION = timedelta(days=30)
# A delivery that is overdue by this may have no execution: an attempt with the usual retries takes less.
OVERDUE_AFTER = timedelta(minutes=10)
# Limit of the record: endless replays would make it too large.
MAX_STORED_ATTEMPTS = 30
MAX_ANSWER_CHARACTERS = 1024
# Deliveries that one recovery replays, spread over the minute before the next call.
MAX_RECOVERED = 1000
RECOVERY_PACE = timedelta(minutes=1) / MAX_RECOVERED
# Shortest wait that is worth a state of the workflow.
_SHORTEST_WAIT = timedelta(seconds=1)


class DeliveryStatus(StrEnum):
    """Status of a delivery. It is skipped if its receiver was paused, disabled or deleted.

    Skipped and failed deliveries can be replayed.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


class DeliveryAttempt(BaseModel):
    """One attempt. `error` is Heliograph's own message; `answer` is the printable beginning of the response body."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    at: AwareDatetime
    status_code: int | None
    error: str | None
    duration_ms: NonNegativeInt
    answer: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the response was a 2xx."""
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver asked for no more events (410)."""
        return self.status_code == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """Response to an attempt. `error` is our own message, `None` for a 2xx; `retry_after` is the raw header."""

    status_code: int | None
    error: str | None
    retry_after: str | None = None
    body: bytes = b""


class DeliverySummary(BaseModel):
    """The part of a delivery that lists show. `endpoint_id` is `None` for a URL given with a job."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    delivery_id: str
    tenant: str
    endpoint_id: str | None
    url: str
    event_id: str
    event_type: str
    job_id: str | None
    status: DeliveryStatus
    created_at: AwareDatetime
    next_attempt_at: AwareDatetime | None = None
    # Time at which it was delivered, failed or skipped; `None` while it is pending.
    ended_at: AwareDatetime | None = None
    # Number of the series of attempts: a replay starts a new one.
    series: PositiveInt = 1
    tries: NonNegativeInt = 0


class Delivery(DeliverySummary):
    """A delivery's record. `payload` is the exact body, the same in every attempt."""

    payload: str
    attempts: tuple[DeliveryAttempt, ...] = ()
    # Start of the record's retention.
    touched_at: AwareDatetime
    revision: NonNegativeInt = 0

    @classmethod
    def for_event(
        cls,
        event: ReceivedEvent,
        *,
        tenant: str,
        receiver_id: str,
        endpoint_id: str | None,
        url: str,
        skipped: bool,
        at: datetime,
    ) -> Delivery:
        """The delivery of the event to the receiver; its id is the same for every repeat of the event."""
        return cls(
            delivery_id=derived_id("dlv", event.event_id, receiver_id),
            tenant=tenant,
            endpoint_id=endpoint_id,
            url=url,
            event_id=event.event_id,
            event_type=event.type,
            job_id=event.job_id,
            status=DeliveryStatus.SKIPPED if skipped else DeliveryStatus.PENDING,
            created_at=at,
            next_attempt_at=None if skipped else at,
            ended_at=at if skipped else None,
            payload=message_body(event),
            touched_at=at,
        )

    @property
    def is_pending(self) -> bool:
        """Whether another attempt is due."""
        return self.status is DeliveryStatus.PENDING

    @property
    def undelivered_at(self) -> datetime | None:
        """Time at which it failed or was skipped; `None` otherwise."""
        return self.ended_at if self.status in (DeliveryStatus.FAILED, DeliveryStatus.SKIPPED) else None

    def is_early(self, at: datetime) -> bool:
        """Whether its next attempt is not due yet."""
        return self.next_attempt_at is not None and self.next_attempt_at - at >= _SHORTEST_WAIT

    @property
    def attention_at(self) -> datetime | None:
        """Time at which the sweep looks at it, because its next attempt is overdue; `None` if no attempt is due."""
        return self.next_attempt_at + OVERDUE_AFTER if self.is_pending and self.next_attempt_at else None

    @property
    def execution(self) -> str:
        """Name of the execution of its current series."""
        return f"{self.delivery_id}-{self.series}"

    @property
    def expires_at(self) -> datetime:
        """Time at which the record is deleted."""
        return self.touched_at + RETENTION

    def after_attempt(self, attempt: DeliveryAttempt, *, url: str, retry_after: str | None) -> Delivery:
        """With the attempt: delivered, failed for good, or pending with the time of the next attempt."""
        tries = self.tries + 1
        update: dict[str, Any] = {
            "url": url,
            "tries": tries,
            "attempts": (*self.attempts, attempt)[-MAX_STORED_ATTEMPTS:],
            "touched_at": attempt.at,
            "next_attempt_at": None,
        }
        ended_at = attempt.at + timedelta(milliseconds=attempt.duration_ms)
        update["ended_at"] = ended_at
        if attempt.succeeded:
            update["status"] = DeliveryStatus.DELIVERED
        elif attempt.is_gone or tries >= MAX_ATTEMPTS:
            update["status"] = DeliveryStatus.FAILED
        else:
            requested = parse_retry_after(retry_after, ended_at)
            update["next_attempt_at"] = ended_at + retry_wait(tries, requested, key=self.execution)
            update["ended_at"] = None
        return self.model_copy(update=update)

    def ended(self, status: DeliveryStatus, at: datetime) -> Delivery:
        """Ended without another attempt."""
        return self.model_copy(update={"status": status, "next_attempt_at": None, "ended_at": at})

    def replayed(self, at: datetime, *, due: datetime | None = None) -> Delivery:
        """Pending again, at once or at `due`, with a new series of attempts; the previous series stops."""
        return self.model_copy(
            update={
                "status": DeliveryStatus.PENDING,
                "series": self.series + 1,
                "tries": 0,
                "next_attempt_at": due or at,
                "ended_at": None,
                "touched_at": at,
            }
        )


def message_body(event: ReceivedEvent) -> str:
    """Body of the message, as it is sent and signed."""
    document = {
        "type": event.type,
        "timestamp": event.occurred_at,
        "version": event.version,
        "event_id": event.event_id,
        # Links to results are made on request, at this URL.
        "job_url": f"v1/jobs/{event.job_id}" if event.job_id else None,
        "data": event.data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def retry_wait(tries: int, requested: timedelta | None, *, key: str) -> timedelta:
    """Wait after that many failed attempts: the longer of the schedule's and the requested one, plus jitter.

    The jitter is always the same for a key.
    """
    usual = max(RETRY_SCHEDULE[tries - 1], min(requested or timedelta(0), MAX_WAIT))
    return usual + usual * JITTER * jitter_fraction(f"{key}{tries}")


def parse_retry_after(retry_after: str | None, now: datetime) -> timedelta | None:
    """Wait in a `Retry-After` header, in seconds or as a date; `None` if it cannot be parsed."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), MAX_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0))


def printable_excerpt(answer: bytes) -> str:
    """Beginning of a response body, without characters that could control a terminal."""
    text = answer[: 4 * MAX_ANSWER_CHARACTERS].decode(errors="replace")
    return without_unprintable(text)[:MAX_ANSWER_CHARACTERS].strip()


class DeliveryQuery(PageQuery):
    """Query of `GET /v1/deliveries`."""

    endpoint_id: Annotated[str | None, Field(max_length=64, description="`ep_…`, or `jobs` for URLs of jobs.")] = None
    status: DeliveryStatus | None = None
    event_type: Annotated[str | None, Field(max_length=128)] = None
    job_id: Annotated[str | None, Field(max_length=64)] = None


class Recovery(BaseModel):
    """Request body of `POST /v1/webhook-endpoints/{id}/recover`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    since: Annotated[
        Moment,
        Field(
            description="Compared with `ended_at` of the deliveries. Not in the future, and 30 days ago at most: "
            "deliveries are not kept for longer."
        ),
    ]


def read_recovery(document: Mapping[str, Any], *, now: datetime) -> Recovery:
    """The recovery in `document`. Raises `InvalidRequest` with every fault."""
    try:
        recovery = Recovery.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None
    if recovery.since > now:
        raise InvalidRequest(Fault("/since", "must not be in the future"))
    if recovery.since < now - RETENTION:
        raise InvalidRequest(
            Fault("/since", f"must not be over {RETENTION.days} days ago: deliveries are kept so long")
        )
    return recovery


def recovery_due(place: int, delivery_id: str, began_at: datetime) -> datetime:
    """Due time of the delivery at that place of a recovery: the receiver must not be flooded."""
    return began_at + RECOVERY_PACE * (place + jitter_fraction(delivery_id))


class _State(BaseModel):
    # One state of the workflow must be able to read what another release wrote, as in `execution.outcomes`.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class AttemptResult(_State):
    """Result of the attempt of this run. `age_seconds` is the event's age at its end; `None` for a replay."""

    accepted: bool
    age_seconds: float | None


class DeliveryTurn(_State):
    """Input of an attempt: the workflow's input, or the outcome before a wait. `tries` counts earlier attempts."""

    outcome: Literal["again"] | None = None
    delivery_id: str
    series: PositiveInt
    tries: NonNegativeInt = 0


class RetryDelivery(_State):
    """The delivery is not accepted yet: try again after `wait_seconds`. `reason` is the last error.

    `attempt` is the result of this run's attempt, if it made one.
    """

    outcome: Literal["again"] = "again"
    delivery_id: str
    series: PositiveInt
    tries: NonNegativeInt
    wait_seconds: PositiveInt
    reason: str
    attempt: AttemptResult | None = None


class DeliveryDone(_State):
    """The series is over. `status` is the delivery's; `None` if a replay took over, or the record is gone."""

    outcome: Literal["done"] = "done"
    delivery_id: str
    series: PositiveInt
    status: DeliveryStatus | None
    attempt: AttemptResult | None = None


class DeliveryCrashed(_State):
    """An execution that ended early. `error` says how."""

    outcome: Literal["crashed"]
    execution: Annotated[str, Field(pattern=r"^dlv_[a-z2-7]{26}-[1-9][0-9]*$")]
    error: str

    @property
    def turn(self) -> DeliveryTurn:
        """The delivery and its series."""
        delivery_id, _, series = self.execution.rpartition("-")
        return DeliveryTurn(delivery_id=delivery_id, series=int(series))


SendOutcome = RetryDelivery | DeliveryDone
