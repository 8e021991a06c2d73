"""A state machine that only remembers what it was asked to start."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.jobs.timeline import StateVisit

from tests.fakes.script import Line, Script


class InMemoryWorkflow:
    """A `Workflow` with one execution per name, as Step Functions has it."""

    def __init__(self) -> None:
        self.executions: list[str] = []
        self.stays: dict[str, Sequence[StateVisit]] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `start` or `history`."""
        self._script.on(method, *lines)

    def history(self, job_id: str) -> tuple[Sequence[StateVisit], bool]:
        with self._script.playing("history"):
            return self.stays.get(job_id, ()), True

    def start(self, job_id: str) -> bool:
        with self._script.playing("start"):
            if job_id in self.executions:
                return False
            self.executions.append(job_id)
            return True
