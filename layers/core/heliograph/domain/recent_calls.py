"""Which call a repeat repeats, where the caller does not say so by an idempotency key.

Clients of OpenAI's repeat a call by themselves when its answer is lost, with the number of the repeat and nothing else
to know it by. So the calls of the last minutes that asked for the very same are remembered, and a repeat belongs to one
of them. However the repeats of several equal calls are told apart, there is never more work than calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# The official clients give up on an answer after ten minutes, and repeat within seconds of that.
REMEMBERED = timedelta(minutes=15)
_MOST_CALLS = 100
_MOST_SENDINGS = 20


class Stage(StrEnum):
    """How far a call has come. `begun`: it may have come to nothing."""

    BEGUN = "begun"
    SUBMITTED = "submitted"
    ANSWERED = "answered"


class Arrival(BaseModel):
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
    stage: Stage = Stage.BEGUN

    @property
    def began_at(self) -> datetime:
        """When the first that was seen of it was received."""
        return min(self.sendings.values())

    @property
    def last_at(self) -> datetime:
        """When the last that was seen of it was received."""
        return max(self.sendings.values())

    def may_have_sent(self, arrival: Arrival) -> bool:
        """Whether that sending was not seen yet and lies, by its number and time, where this call's would.

        Sendings may overtake each other: a first one may arrive after its own repeat.
        """
        return arrival.repeat not in self.sendings and all(
            (number < arrival.repeat) == (received_at < arrival.received_at)
            for number, received_at in self.sendings.items()
        )


Recent = tuple[RecentCall, ...]


def placed(arrival: Arrival, recent: Recent) -> tuple[RecentCall, Recent]:
    """The call that an arrival belongs to, new or known, and all recent ones after that."""
    kept = tuple(call for call in recent if arrival.received_at - call.last_at < REMEMBERED)
    fitting = [call for call in kept if call.may_have_sent(arrival)]
    # One whose jobs are made and whose answer is not; else the last one, which may have been refused.
    unanswered = [call for call in fitting if call.stage is Stage.SUBMITTED]
    if found := _latest(unanswered) or _latest(fitting):
        sendings = sorted({**found.sendings, arrival.repeat: arrival.received_at}.items())
        known = found.model_copy(update={"sendings": dict(sendings[-_MOST_SENDINGS:])})
        return known, tuple(known if call is found else call for call in kept)
    new = RecentCall(call_id=arrival.call_id, sendings={arrival.repeat: arrival.received_at})
    return new, (*kept, new)[-_MOST_CALLS:]


def advanced(call_id: str, stage: Stage, recent: Recent) -> Recent:
    """With that call at that stage."""
    return tuple(call.model_copy(update={"stage": stage}) if call.call_id == call_id else call for call in recent)


def _latest(calls: Sequence[RecentCall]) -> RecentCall | None:
    return max(calls, key=lambda call: call.began_at, default=None)
