"""Deliveries of webhooks: one message to one receiver, its attempts, and when the next one is due."""

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
from heliograph.webhooks.endpoint import ReceivedEvent

DELIVERY_ID = re.compile(r"dlv_[a-z2-7]{26}")
# After each failed attempt but the last; the schedule that Standard Webhooks gives as its example.
SCHEDULE = (
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
MOST_ATTEMPTS = len(SCHEDULE) + 1
# The longest that a receiver can put us off at a time.
LONGEST_WAIT = timedelta(hours=24)
# The wait is at most that much longer, so that what failed together does not come back together.
JITTER = 0.1
KEPT = timedelta(days=30)
# An attempt that is overdue by this may have no execution to make it: longer than one takes with usual repeats.
OVERDUE = timedelta(minutes=10)
# Of the record: replays without end would make it too large.
MOST_REMEMBERED_ATTEMPTS = 30
MOST_ANSWER_CHARACTERS = 1024
# What one call of `recover` sends again, spread over the minute before the next call.
MOST_RECOVERED = 1000
RECOVERY_PACE = timedelta(minutes=1) / MOST_RECOVERED
# A shorter wait is not worth a state of the workflow.
_SHORTEST_WAIT = timedelta(seconds=1)


class DeliveryStatus(StrEnum):
    """`skipped`: its receiver was paused, disabled or gone. It can be replayed, as can the failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


class DeliveryAttempt(BaseModel):
    """One try. `error`: in our own words; `answer`: the first of what the receiver said, made printable."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    at: AwareDatetime
    status_code: int | None
    error: str | None
    duration_ms: NonNegativeInt
    answer: str = ""

    @property
    def succeeded(self) -> bool:
        """Any 2xx."""
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """The receiver wants nothing any more."""
        return self.status_code == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What came of one attempt. `error`: in our own words, `None` for any 2xx; `retry_after`: as it was answered."""

    status_code: int | None
    error: str | None
    retry_after: str | None = None
    body: bytes = b""


class DeliverySummary(BaseModel):
    """What a list tells of a delivery. `endpoint_id` is null of a URL given with a job."""

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
    # When it was delivered, failed or skipped; `None` while an attempt is to come.
    ended_at: AwareDatetime | None = None
    # A replay begins a new series of tries.
    series: PositiveInt = 1
    tries: NonNegativeInt = 0


class Delivery(DeliverySummary):
    """A delivery's record. `payload`: the message's very bytes, the same at every attempt."""

    payload: str
    attempts: tuple[DeliveryAttempt, ...] = ()
    # What the record's end is counted from.
    touched_at: AwareDatetime
    revision: NonNegativeInt = 0

    @classmethod
    def of(
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
        """The one delivery of that event to that receiver, however often the event comes."""
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
            payload=message_of(event),
            touched_at=at,
        )

    @property
    def is_pending(self) -> bool:
        """Whether an attempt is still to come."""
        return self.status is DeliveryStatus.PENDING

    @property
    def undelivered_at(self) -> datetime | None:
        """When it failed or was skipped; `None` where it did not."""
        return self.ended_at if self.status in (DeliveryStatus.FAILED, DeliveryStatus.SKIPPED) else None

    def is_early(self, at: datetime) -> bool:
        """Whether its next attempt is still to be waited for."""
        return self.next_attempt_at is not None and self.next_attempt_at - at >= _SHORTEST_WAIT

    @property
    def attention_at(self) -> datetime | None:
        """When its next attempt is so late that somebody has to look after it; `None` where none is to come."""
        return self.next_attempt_at + OVERDUE if self.is_pending and self.next_attempt_at else None

    @property
    def execution(self) -> str:
        """The name of the execution that carries its present series."""
        return f"{self.delivery_id}-{self.series}"

    @property
    def expires_at(self) -> datetime:
        """When the record may go."""
        return self.touched_at + KEPT

    def attempted(self, attempt: DeliveryAttempt, *, url: str, retry_after: str | None) -> Delivery:
        """After an attempt: delivered, failed for good, or pending with the time of the next one."""
        tries = self.tries + 1
        update: dict[str, Any] = {
            "url": url,
            "tries": tries,
            "attempts": (*self.attempts, attempt)[-MOST_REMEMBERED_ATTEMPTS:],
            "touched_at": attempt.at,
            "next_attempt_at": None,
        }
        ended_at = attempt.at + timedelta(milliseconds=attempt.duration_ms)
        update["ended_at"] = ended_at
        if attempt.succeeded:
            update["status"] = DeliveryStatus.DELIVERED
        elif attempt.is_gone or tries >= MOST_ATTEMPTS:
            update["status"] = DeliveryStatus.FAILED
        else:
            asked = asked_wait(retry_after, ended_at)
            update["next_attempt_at"] = ended_at + wait_after(tries, asked, key=self.execution)
            update["ended_at"] = None
        return self.model_copy(update=update)

    def ended(self, status: DeliveryStatus, at: datetime) -> Delivery:
        """Over without (another) attempt."""
        return self.model_copy(update={"status": status, "next_attempt_at": None, "ended_at": at})

    def replayed(self, at: datetime, *, due: datetime | None = None) -> Delivery:
        """To be sent again, at once or when it is `due`, with a whole series of tries.

        Whatever was still to come of the last series is dropped.
        """
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


def message_of(event: ReceivedEvent) -> str:
    """The body that is sent and signed."""
    document = {
        "type": event.type,
        "timestamp": event.occurred_at,
        "version": event.version,
        "event_id": event.event_id,
        # Links to results are made when they are asked for: here is where.
        "job_url": f"v1/jobs/{event.job_id}" if event.job_id else None,
        "data": event.data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def wait_after(tries: int, asked: timedelta | None, *, key: str) -> timedelta:
    """How long to wait after that many failed tries: as the schedule says or the receiver asked, whichever is longer.

    Never sooner, and a little later: always the same for a key.
    """
    usual = max(SCHEDULE[tries - 1], min(asked or timedelta(0), LONGEST_WAIT))
    return usual + usual * JITTER * jitter_fraction(f"{key}{tries}")


def asked_wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """What a `Retry-After` asks for, in seconds or as a date; `None` if it says nothing that can be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0))


def printable(answer: bytes) -> str:
    """The first of what a receiver answered, for people: nothing in it moves a terminal."""
    text = answer[: 4 * MOST_ANSWER_CHARACTERS].decode(errors="replace")
    return without_unprintable(text)[:MOST_ANSWER_CHARACTERS].strip()


class DeliveryQuery(PageQuery):
    """What the list of deliveries can be asked."""

    endpoint_id: Annotated[str | None, Field(max_length=64, description="`ep_…`, or `jobs` for URLs of jobs.")] = None
    status: DeliveryStatus | None = None
    event_type: Annotated[str | None, Field(max_length=128)] = None
    job_id: Annotated[str | None, Field(max_length=64)] = None


class Recovery(BaseModel):
    """What is to be sent to an endpoint again: everything that failed or was skipped since a time."""

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
    if recovery.since < now - KEPT:
        raise InvalidRequest(Fault("/since", f"must not be over {KEPT.days} days ago: deliveries are kept so long"))
    return recovery


def recovery_due(place: int, delivery_id: str, began_at: datetime) -> datetime:
    """When the delivery at that place of a recovery is due: a receiver that has just recovered is not flooded."""
    return began_at + RECOVERY_PACE * (place + jitter_fraction(delivery_id))


class _State(BaseModel):
    # As in `outcomes`: what one state writes, another must be able to read.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class Tried(_State):
    """An attempt that was just made. `age_seconds`: of the event, by its end; `None` of a replay."""

    taken: bool
    age_seconds: float | None


class DeliveryTurn(_State):
    """What `deliver` is asked: to begin (the workflow's input), or to go on after a wait. `tries`: made before."""

    outcome: Literal["again"] | None = None
    delivery_id: str
    series: PositiveInt
    tries: NonNegativeInt = 0


class RetryDelivery(_State):
    """It was not taken; try again after `wait_seconds`. `reason`: why, in our own words.

    `tried`: the attempt of this very run, if it made one.
    """

    outcome: Literal["again"] = "again"
    delivery_id: str
    series: PositiveInt
    tries: NonNegativeInt
    wait_seconds: PositiveInt
    reason: str
    tried: Tried | None = None


class DeliveryDone(_State):
    """Nothing is left to do in this series. `status`: of the delivery; `None` if a replay took over, or it is gone."""

    outcome: Literal["done"] = "done"
    delivery_id: str
    series: PositiveInt
    status: DeliveryStatus | None
    tried: Tried | None = None


class DeliveryCrashed(_State):
    """An execution ended early. Its name is what Step Functions says of it; `error` how it ended."""

    outcome: Literal["crashed"]
    execution: Annotated[str, Field(pattern=r"^dlv_[a-z2-7]{26}-[1-9][0-9]*$")]
    error: str

    @property
    def turn(self) -> DeliveryTurn:
        """The delivery and its series."""
        delivery_id, _, series = self.execution.rpartition("-")
        return DeliveryTurn(delivery_id=delivery_id, series=int(series))


DeliverOutcome = RetryDelivery | DeliveryDone
