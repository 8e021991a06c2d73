"""Identify a call: a repeat gets the id of the call that it repeats, and so its jobs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from heliograph.intake.recent_calls import IncomingCall, Recent, Stage, match_retry, with_stage
from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry

if TYPE_CHECKING:
    from heliograph.intake.ports import RecentCalls

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class IdentifiedCall:
    """A call and the id that names its jobs."""

    digest: str
    call_id: str
    recent: Recent
    """The recent equal calls, once this one was recorded."""

    def noted(self, stage: Stage, at: datetime, *, recent_calls: RecentCalls) -> IdentifiedCall:
        """The same call, with its new stage recorded. Never raises: stages only help to tell equal calls apart."""
        try:
            _, recent = _written(
                self.digest,
                lambda recent: (None, with_stage(self.call_id, stage, at, recent)),
                recent_calls=recent_calls,
                before=self.recent,
            )
        except StorageFailed:
            return self
        return IdentifiedCall(self.digest, self.call_id, recent)


def identify_call(digest: str, arrival: IncomingCall, *, recent_calls: RecentCalls) -> IdentifiedCall:
    """The call with its id, which is recorded before any job is created, so that a repeat finds it.

    `digest`: of the API key and the body. Raises `StorageFailed`; then nothing was recorded.
    """
    call, recent = _written(digest, lambda recent: match_retry(arrival, recent), recent_calls=recent_calls)
    return IdentifiedCall(digest, call.call_id, recent)


def record_refused(digest: str, arrival: IncomingCall, *, recent_calls: RecentCalls) -> None:
    """Records a call that was refused before it was identified, so that its repeat is not taken for another call's.

    Never raises.
    """

    def refused(recent: Recent) -> tuple[None, Recent]:
        call, after = match_retry(arrival, recent)
        is_new = call.call_id == arrival.call_id
        return None, with_stage(call.call_id, Stage.REFUSED, arrival.received_at, after) if is_new else after

    with suppress(StorageFailed):
        _written(digest, refused, recent_calls=recent_calls)


def _written(
    digest: str,
    change: Callable[[Recent], tuple[Found, Recent]],
    *,
    recent_calls: RecentCalls,
    before: Recent | None = None,
) -> tuple[Found, Recent]:
    def write(before: Recent) -> tuple[Found, Recent]:
        found, after = change(before)
        if after != before and not recent_calls.save(digest, before, after):
            raise StaleRecord(digest)
        return found, after

    # Equal calls at the same moment write the same record, one after the other. The second of them already finds the
    # first and has nothing to add, so few ever meet.
    return update_with_retry(
        lambda: recent_calls.look(digest),
        write,
        first=before,
        give_up=StorageFailed("recent calls: another call was faster every time"),
    )
