"""Runs of a function that can be stopped, broken off or failed at any call that they make to the outside.

A run has a moment before and a moment after each of its calls. At each it may be told to do something else than go on.
Only one run moves at a time: whatever happens, happens again in the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from heliograph.kernel.errors import PublishFailed, StaleJob, StorageFailed, WorkflowFailed

from tests.fakes.script import Crash


class What(StrEnum):
    """What a run does at a moment, instead of going on."""

    DIES = "dies"
    FAILS = "fails"
    KEEPS_FAILING = "keeps failing"
    LOOKS_LATE = "looks late"
    STANDS_STILL = "stands still"


@dataclass(frozen=True)
class Incident:
    """`what` happens at the `moment`-th moment from now on. Even moments are before a call, odd ones after it."""

    moment: int
    what: What


_ERRORS = {
    "jobs": StorageFailed,
    "ledger": StorageFailed,
    "states": StorageFailed,
    "index": StorageFailed,
    "objects": StorageFailed,
    "bus": PublishFailed,
    "workflow": WorkflowFailed,
}


def _failure(port: str, method: str, what: What) -> Exception | None:
    """How a port fails; `None` for those that never raise."""
    if what is What.LOOKS_LATE and (port, method) == ("jobs", "save"):
        # Its answer was lost, and it was repeated below us: as if somebody else had been faster.
        return StaleJob("its own write")
    return _ERRORS[port]("away") if port in _ERRORS else None


class Run:
    """One run of a function; if it is to stand still, in a thread that moves only when told to."""

    def __init__(self, name: str, *, started_at: datetime, limit: timedelta) -> None:
        self.name = name
        self.ends_at = started_at + limit
        self.ended = False
        self.answer: Any = None
        self.error: BaseException | None = None
        self.story: list[str] = []
        # Every call that it began, as (port, method): the moments before and after the n-th are 2n and 2n + 1.
        self.calls: list[tuple[str, str]] = []
        # The tasks that the vendor named to it.
        self.learned: set[str] = set()
        self._incident: Incident | None = None
        self._moments = 0
        self._failing: str | None = None
        self._its_turn = threading.Semaphore(0)
        self._our_turn = threading.Semaphore(0)

    def begin(self, work: Callable[[], object], incident: Incident | None = None) -> None:
        """Lets it do its work, until its end or until it stands still."""
        if incident is None or incident.what is not What.STANDS_STILL:
            # Nothing will stop it on its way: it needs no thread.
            self._incident = incident
            self._work(work)
            return
        threading.Thread(target=self._live, args=(work,), daemon=True, name=self.name).start()
        self.go_on(incident)

    def go_on(self, incident: Incident | None = None) -> None:
        """Lets a run that stood still go on."""
        self._incident, self._moments, self._failing = incident, 0, None
        self._its_turn.release()
        self._our_turn.acquire()

    def die(self) -> None:
        """The process is gone, where it stood."""
        if not self.ended:
            self.go_on(Incident(0, What.DIES))

    def moment(self, port: str, method: str, *, after: bool) -> None:
        """Called by the run itself, around each of its calls."""
        number, self._moments = self._moments, self._moments + 1
        if self._failing == port and not after:
            self._fail(port, method, What.FAILS)
        if self._incident is None or self._incident.moment != number:
            return
        what = self._incident.what
        self.story.append(f"{what} {'after' if after else 'before'} {method}")
        match what:
            case What.DIES:
                raise Crash(self.story[-1])
            case What.STANDS_STILL:
                self._our_turn.release()
                self._its_turn.acquire()
                if self._incident and self._incident.what is What.DIES and self._incident.moment == 0:
                    raise Crash("its time was over")
            case What.KEEPS_FAILING:
                self._failing = port
                self._fail(port, method, what)
            case What.FAILS | What.LOOKS_LATE:
                self._fail(port, method, what)

    def _fail(self, port: str, method: str, what: What) -> None:
        if error := _failure(port, method, what):
            raise error

    def _live(self, work: Callable[[], object]) -> None:
        self._its_turn.acquire()
        self._work(work)
        self._our_turn.release()

    def _work(self, work: Callable[[], object]) -> None:
        try:
            self.answer = work()
        except (Exception, Crash) as error:  # whoever drives the run looks at it
            self.error = error
        self.ended = True


class Through:
    """A port as one run sees it. `witness` looks at the world after every call."""

    def __init__(self, port: str, real: Any, run: Run, witness: Callable[[Run, str, str], None]) -> None:
        self._port = port
        self._real = real
        self._run = run
        self._witness = witness

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)
        if not callable(real):
            return real

        def call(*args: Any, **named: Any) -> Any:
            self._run.calls.append((self._port, method))
            self._run.moment(self._port, method, after=False)
            answer = real(*args, **named)
            self._witness(self._run, self._port, method)
            self._run.moment(self._port, method, after=True)
            return answer

        return call
