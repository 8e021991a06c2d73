"""The state machine as a graph: who can come after whom, and by which outcome."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.contract.cfn_template import ROOT

WORKFLOW: dict[str, Any] = json.loads((ROOT / "workflows" / "image_job.asl.json").read_text())
DELIVERY_WORKFLOW: dict[str, Any] = json.loads((ROOT / "workflows" / "webhook_delivery.asl.json").read_text())
STATES: dict[str, dict[str, Any]] = WORKFLOW["States"]
TASKS = {name: state for name, state in STATES.items() if "FunctionName" in state.get("Arguments", {})}
# Waits that a callback may end.
LISTENING = {name: state for name, state in STATES.items() if state["Type"] == "Task" and name not in TASKS}
WAITS = {name: state for name, state in STATES.items() if state["Type"] == "Wait"}
CHOICES = {name: state for name, state in STATES.items() if state["Type"] == "Choice"}

# What is asked beyond the outcome is looked at only where it is there: behind a question mark.
_IS = re.compile(r"^\{% \$states\.input\.outcome = '(\w+)'(?P<guard> \? [^%]+ : false)? %\}$")
_IN = re.compile(r"^\{% \$states\.input\.outcome in \[((?:'\w+'(?:, )?)+)\] %\}$")


def following(state: dict[str, Any]) -> set[str]:
    """Every state that can be next."""
    ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
    found = {way["Next"] for way in ways if "Next" in way}
    return found | ({state["Default"]} if "Default" in state else set())


def outcomes_of(condition: str) -> set[str]:
    """The outcomes that a condition lets through; conditions are of few shapes only, so that this can be read."""
    if one := _IS.match(condition):
        return {one[1]}
    several = _IN.match(condition)
    assert several, f"this condition chooses by more than the outcome: {condition}"
    return set(re.findall(r"\w+", several[1]))


def branches_of(choice: dict[str, Any]) -> dict[str, str]:
    """Outcome → next state, where nothing more is asked."""
    return {
        outcome: way["Next"]
        for way in choice["Choices"]
        for outcome in outcomes_of(way["Condition"])
        if not guard_of(way["Condition"])
    }


def guarded_branches_of(choice: dict[str, Any]) -> dict[str, str]:
    """Outcome → next state, where more than the outcome is asked: the first branch that fits wins."""
    return {
        outcome: way["Next"]
        for way in choice["Choices"]
        for outcome in outcomes_of(way["Condition"])
        if guard_of(way["Condition"])
    }


def guard_of(condition: str) -> str | None:
    """What a condition asks beyond the outcome."""
    one = _IS.match(condition)
    return one["guard"] if one else None


def function_of(task: dict[str, Any]) -> str:
    """The placeholder of the function that a task invokes."""
    name: str = task["Arguments"]["FunctionName"]
    return name.removeprefix("${").removesuffix("}")


def reachable_from(start: str, *, without: frozenset[str] = frozenset()) -> set[str]:
    """Every state that can come after `start` on a way that never enters `without`."""
    seen: set[str] = set()
    waiting = [name for name in following(STATES[start]) if name not in without]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [after for after in following(STATES[name]) if after not in without]
    return seen
