"""One execution of the state machine of jobs, in memory: fast, and without a clock of its own.

It follows outcomes only: every wait lasts to its end, and how often a step is repeated is its driver's to say. The
histories of `tests/histories` hold it to what other interpreters do.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from heliograph.execution.outcomes import Crashed, DispatchInput, FinalizeInput, Processing
from pydantic import TypeAdapter

from tests.contract.asl_workflow import STATES, WORKFLOW, branches_of, function_of
from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.runs import Run

_read_finalize_input: TypeAdapter[FinalizeInput] = TypeAdapter(FinalizeInput)


class Execution:
    """One execution of the real state machine: where it is, what it carries, and when it goes on."""

    def __init__(self, job_id: str, at: datetime) -> None:
        self.job_id = job_id
        self.started_at = at
        self.goes_on_at = at
        self.carries: dict[str, Any] = {"job_id": job_id}
        self.run: Run | None = None
        self.end: str | None = None
        self.state = ""
        # The vendor's tasks that its steps learned of before they ended well.
        self.told: set[str] = set()
        self._enter(WORKFLOW["StartAt"], at)

    def function(self) -> str:
        return function_of(STATES[self.state])

    def call(self, here: InMemoryDeployment) -> Any:
        """What its step invokes. JSON lies between the two, both ways."""
        document = json.loads(json.dumps(self.carries))
        match self.function():
            case "DispatchJobFunctionArn":
                outcome: Any = here.dispatch(DispatchInput.model_validate(document))
            case "PollTaskFunctionArn":
                waiting = Processing.model_validate(document)
                outcome = here.poll(waiting.job_id, waiting.watch)
            case "FinalizeJobFunctionArn":
                outcome = here.finalize(_read_finalize_input.validate_python(document))
            case _:
                crashed = Crashed.model_validate(document)
                outcome = here.close(crashed.job_id, crashed.error, watch=crashed.watch)
        return outcome.model_dump(mode="json")

    def went_well(self, answer: dict[str, Any], at: datetime) -> None:
        self.carries = answer
        self._enter(STATES[self.state]["Next"], at)

    def went_wrong(self, error: str, at: datetime, *, for_good: bool) -> None:
        """Repeats the step; or, for good, goes where the state machine goes when a step's retries are used up."""
        self.goes_on_at = at + timedelta(seconds=2)
        if not for_good:
            return
        catchers = STATES[self.state].get("Catch")
        if not catchers:
            self.end = "FAILED"
            return
        caught = {"outcome": "crashed", "job_id": self.job_id, "error": _told(catchers[0], error)}
        if "watch" in catchers[0]["Output"]:
            caught["watch"] = self.carries["watch"]
        self.carries = caught
        self._enter(catchers[0]["Next"], at)

    def _enter(self, name: str, at: datetime) -> None:
        state = STATES[name]
        match state["Type"]:
            case "Choice":
                self._enter(branches_of(state).get(self.carries.get("outcome", ""), state["Default"]), at)
            case "Wait":
                self._enter(state["Next"], at + timedelta(seconds=self.carries["wait_seconds"]))
            case "Task":
                self.state, self.goes_on_at = name, at
            case "Succeed":
                self.end = "SUCCEEDED"
            case _:
                self.end = "FAILED"


def _told(catcher: dict[str, Any], error: str) -> str:
    """What a catcher says of an error: which function failed, and how."""
    prefix = re.fullmatch(r"\{% '(\w+: )' & \$states\.errorOutput\.Error %\}", catcher["Output"]["error"])
    assert prefix, f"this catcher says something else: {catcher}"
    return prefix[1] + error
