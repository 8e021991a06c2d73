"""Find the name by which a call makes its jobs: a repeat has that of the call it repeats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from heliograph.domain.errors import StorageFailed
from heliograph.domain.recent_calls import Arrival, Recent, Stage, advanced, placed

if TYPE_CHECKING:
    from heliograph.ports import RecentCalls

# Equal calls at the same moment write the same record, one after the other.
_TRIES = 50
Found = TypeVar("Found")


def name_call(digest: str, arrival: Arrival, *, recent_calls: RecentCalls) -> str:
    """The call's name. `digest`: of who asks for what.

    It is written down before anything is made by it, so that a repeat finds it. Raises `StorageFailed`; then nothing
    was made.
    """
    return _written(digest, lambda recent: placed(arrival, recent), recent_calls=recent_calls).call_id


def note_stage(digest: str, call_id: str, stage: Stage, *, recent_calls: RecentCalls) -> None:
    """The call has come that far. Never raises: it only helps to tell equal calls apart."""
    with suppress(StorageFailed):
        _written(digest, lambda recent: (None, advanced(call_id, stage, recent)), recent_calls=recent_calls)


def _written(digest: str, change: Callable[[Recent], tuple[Found, Recent]], *, recent_calls: RecentCalls) -> Found:
    for _ in range(_TRIES):
        before = recent_calls.look(digest)
        found, after = change(before)
        if after == before or recent_calls.save(digest, before, after):
            return found
    raise StorageFailed(f"recent calls: somebody else was faster {_TRIES} times")
