"""AWS Step Functions as a `Workflow`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from heliograph.jobs.timeline import StateVisit
from heliograph.platform.step_functions import ERRORS, start_execution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

# 1,000 events each, about four for every state. (A history has 25,000 at most.)
_MOST_PAGES = 5


class StepFunctionsWorkflow:
    """A Standard state machine. The job's id is the execution's name, given out once in 90 days."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, job_id: str) -> bool:
        """`True` also while the job's execution runs: starting it again with the same input is no error to AWS."""
        return start_execution(self._client, self._state_machine_arn, job_id, {"job_id": job_id})

    def history(self, job_id: str) -> tuple[Sequence[StateVisit], bool]:
        """A request for every 1,000 events; an account has about 20 such requests a second."""
        arn = f"{self._state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}"
        events: list[HistoryEventTypeDef] = []
        more: dict[str, str] = {}
        with ERRORS.translated(job_id):
            for _ in range(_MOST_PAGES):
                try:
                    page = self._client.get_execution_history(executionArn=arn, maxResults=1000, **more)  # type: ignore[arg-type]
                except self._client.exceptions.ExecutionDoesNotExist:
                    return (), True
                events += page["events"]
                if not page.get("nextToken"):
                    return tuple(_stays(events)), True
                more = {"nextToken": page["nextToken"]}
        return tuple(_stays(events)), False


def _stays(events: Iterable[HistoryEventTypeDef]) -> Iterator[StateVisit]:
    """From what was entered and left: one state at a time, because nothing of ours runs in parallel."""
    entered: HistoryEventTypeDef | None = None
    for event in events:
        if "stateEnteredEventDetails" in event:
            entered = event
        elif "stateExitedEventDetails" in event and entered:
            told = _object(event["stateExitedEventDetails"].get("output"))
            reason = _words(told.get("reason")) or _words(told.get("unanswered"))
            watch = told.get("watch")
            called_back = isinstance(watch, dict) and watch.get("called_back") is True
            outcome = _words(told.get("outcome"))
            yield StateVisit(_name(entered), entered["timestamp"], event["timestamp"], outcome, reason, called_back)
            entered = None
    if entered:
        yield StateVisit(_name(entered), entered["timestamp"], None)


def _name(entered: HistoryEventTypeDef) -> str:
    return entered["stateEnteredEventDetails"]["name"]


def _object(text: str | None) -> dict[str, Any]:
    """Nothing of what is no JSON object: a state's output may be cut off."""
    try:
        document = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _words(told: Any) -> str | None:
    return told if isinstance(told, str) else None
