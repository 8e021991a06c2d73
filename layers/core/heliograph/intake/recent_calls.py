"""Which call a repeat repeats, where the caller does not say so by an idempotency key.

Clients and gateways repeat a call by themselves when its answer is lost. Newer clients of OpenAI's number their repeats
(`x-stainless-retry-count`); most others send the very same again. So the calls of the last minutes that asked for the
very same are remembered, and an equal call belongs to one of them: while that one has no answer yet, or soon after an
answer that may not have arrived. However the repeats of several equal calls are told apart, there is never more work
than calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# The official clients give up on an answer after ten minutes, and repeat within seconds of that.
REMEMBERED = timedelta(minutes=15)
# An answer that took longer may have found nobody. Common gateways give up after: Amazon API Gateway 29 s, Heroku's
# router 30 s, nginx and Application Load Balancers 60 s, Cloudflare 100 s (answer 524).
GATEWAY_PATIENCE = timedelta(seconds=29)
# How long after such an answer an equal call is taken for its repeat. Clients repeat within seconds of the gateway's
# error, or of its `Retry-After`, which the AI SDK obeys up to 60 s.
REPEATED_WITHIN = timedelta(seconds=60)
# An item of all of them stays under 8 KB.
_MOST_CALLS = 16
_MOST_SENDINGS = 4
# To note each of many repeats would make them wait for each other.
_NOTED_EVERY = timedelta(seconds=30)


class Stage(StrEnum):
    """How far a call has come. `begun`: it may have come to nothing."""

    BEGUN = "begun"
    SUBMITTED = "submitted"
    ANSWERED = "answered"
    # It was answered with a failure that may have cost money: its repeat must not cost any again.
    FAILED = "failed"
    # It was refused, or failed at no cost: the same wanted again is a new call.
    REFUSED = "refused"

    @property
    def is_an_answer(self) -> bool:
        """Whether an answer was sent: not necessarily received."""
        return self in {Stage.ANSWERED, Stage.FAILED, Stage.REFUSED}


class IncomingCall(BaseModel):
    """A call as it arrives. `repeat`: 0 for the first sending. `received_at`: before any queue of ours."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    call_id: str
    received_at: AwareDatetime
    repeat: Annotated[int, Field(ge=0)] = 0


class RecentCall(BaseModel):
    """A call that was made a short while ago. `sendings`: when each that was seen was received, by its number."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    call_id: str
    sendings: dict[int, AwareDatetime]
    began_at: AwareDatetime
    last_at: AwareDatetime
    stage: Stage = Stage.BEGUN
    answered_at: AwareDatetime | None = None
    # It was sent again before it was answered: its client waits for a shorter time than its answer took.
    was_repeated: bool = False

    def may_have_sent(self, arrival: IncomingCall) -> bool:
        """Whether that sending was not seen yet and lies, by its number and time, where this call's would.

        Sendings may overtake each other: a first one may arrive after its own repeat.
        """
        return arrival.repeat not in self.sendings and all(
            (number < arrival.repeat) == (received_at < arrival.received_at)
            for number, received_at in self.sendings.items()
        )

    def awaits_repeat(self, at: datetime) -> bool:
        """Whether an equal call at that time is one that its client repeats, whatever it says of itself."""
        if not self.stage.is_an_answer or self.answered_at is None:
            return True
        if self.stage is Stage.REFUSED or at - self.answered_at >= REPEATED_WITHIN:
            return False
        took_long = self.answered_at - self.began_at >= GATEWAY_PATIENCE
        return self.stage is Stage.FAILED or took_long or self.was_repeated

    def joined_by(self, arrival: IncomingCall) -> RecentCall:
        """With that sending, as far as it says anything new."""
        sendings = self.sendings
        if arrival.repeat not in sendings:
            sendings = dict(sorted({**sendings, arrival.repeat: arrival.received_at}.items())[-_MOST_SENDINGS:])
        is_news = arrival.received_at - self.last_at >= _NOTED_EVERY or sendings is not self.sendings
        begins_anew = self.stage is Stage.REFUSED
        return self.model_copy(
            update={
                "sendings": sendings,
                "began_at": arrival.received_at if begins_anew else min(self.began_at, arrival.received_at),
                "last_at": max(self.last_at, arrival.received_at) if is_news else self.last_at,
                "stage": Stage.BEGUN if begins_anew else self.stage,
                "was_repeated": self.was_repeated or not self.stage.is_an_answer,
            }
        )


Recent = tuple[RecentCall, ...]


def match_retry(arrival: IncomingCall, recent: Recent) -> tuple[RecentCall, Recent]:
    """The call that an arrival belongs to, new or known, and all recent ones after that."""
    kept = tuple(call for call in recent if arrival.received_at - call.last_at < REMEMBERED)
    awaiting = [call for call in kept if call.awaits_repeat(arrival.received_at)]
    fitting = [call for call in kept if call.may_have_sent(arrival)]
    # By its number and without an answer; by its number, as the last one may have been refused; by its time alone.
    both = [call for call in fitting if call in awaiting]
    if found := _latest(both) or _latest(fitting) or _latest(awaiting):
        known = found.joined_by(arrival)
        return known, tuple(known if call is found else call for call in kept)
    at = arrival.received_at
    new = RecentCall(call_id=arrival.call_id, sendings={arrival.repeat: at}, began_at=at, last_at=at)
    return new, (*kept, new)[-_MOST_CALLS:]


def with_stage(call_id: str, stage: Stage, at: datetime, recent: Recent) -> Recent:
    """With that call at that stage. The time of an answer is that of the first: later ones went to its repeats."""
    return tuple(call if call.call_id != call_id else _advanced(call, stage, at) for call in recent)


def _advanced(call: RecentCall, stage: Stage, at: datetime) -> RecentCall:
    if call.stage in {Stage.ANSWERED, Stage.FAILED}:
        return call
    return call.model_copy(update={"stage": stage, "answered_at": at if stage.is_an_answer else None})


def _latest(calls: Sequence[RecentCall]) -> RecentCall | None:
    return max(calls, key=lambda call: call.began_at, default=None)
