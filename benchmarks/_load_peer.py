"""The named peer: the same states and calls as one of our jobs, each function replaced by one that does nothing.

What it sustains is what the emulator sustains. What ours lacks of that is our own work.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._load_stage import Stage

_CODE = "def handler(event, context):\n    return {}\n"


def prepare(
    stage: Stage, name: str, history: Sequence[Mapping[str, Any]], outside: Sequence[str], wait_scale: float
) -> str:
    """A state machine that goes the way of that execution, after the calls that were made outside of it; its ARN."""
    ours = stage.states.describe_state_machine(stateMachineArn=stage.machine("-image-job"))
    definition = json.loads(ours["definition"])
    steps: list[dict[str, Any]] = [_call(stage, function) for function in outside]
    for event, left_at in _entered(history):
        state = definition["States"][event["stateEnteredEventDetails"]["name"]]
        match state["Type"]:
            case "Task" if ":lambda:" in state["Resource"]:
                steps.append(_call(stage, _label_of(state["Arguments"]["FunctionName"])))
            case "Choice":
                steps.append({"Type": "Choice"})
            case "Wait" | "Task":  # waits, and tasks that wait to be called back
                waited = (left_at - event["timestamp"]).total_seconds()
                steps.append({"Type": "Wait", "Seconds": max(1, round(waited / wait_scale))})
    made = stage.states.create_state_machine(
        name=f"{name}-{os.urandom(3).hex()}", roleArn=ours["roleArn"], definition=json.dumps(_chain(steps))
    )
    return str(made["stateMachineArn"])


def _entered(history: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Any]]:
    left = [event["timestamp"] for event in history if event["type"].endswith("StateExited")]
    entered = [event for event in history if event["type"].endswith("StateEntered")]
    return list(zip(entered, left, strict=True))


def _label_of(arn: str) -> str:
    return arn.rpartition(":")[2].split("-")[1]


def _call(stage: Stage, function: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": _empty(stage, function), "Payload": {}},
        "Output": "{% $states.result.Payload %}",
    }


def _empty(stage: Stage, function: str) -> str:
    """One of its own for each of ours, so that neither queues for fewer processes."""
    name = f"empty-{function}"
    if name not in stage.peers:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", _CODE)
        made = stage.lambdas.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=stage.functions[function]["Role"],
            MemorySize=512,
            Code={"ZipFile": packed.getvalue()},
        )
        stage.peers[name] = made["FunctionArn"]
    return stage.peers[name]


def _chain(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One after the other; a choice has one way."""
    states: dict[str, dict[str, Any]] = {"Done": {"Type": "Succeed"}}
    following = "Done"
    for number, step in reversed(list(enumerate(steps))):
        way = {"Next": following}
        is_choice = step["Type"] == "Choice"
        following = f"Step {number}"
        states[following] = {**step, **({"Choices": [{"Condition": "{% true %}", **way}]} if is_choice else way)}
    return {"QueryLanguage": "JSONata", "StartAt": following, "States": states}
