"""Executions and tasks end at their deadlines, on the scale of Wait states."""

import json
import time
from typing import Any

import pytest

from .conftest import WAIT_SCALE, Functions, RunningEmulator, eventually


def _start(functions: Functions, name: str, definition: dict[str, Any]) -> tuple[Any, str]:
    states = functions.emulator.client("stepfunctions")
    machine = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=functions.role(f"{name}-machine", ())
    )["stateMachineArn"]
    return states, states.start_execution(stateMachineArn=machine, name="once", input='{"limit": 5}')["executionArn"]


def _end_of(states: Any, execution: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        seen: dict[str, Any] = states.describe_execution(executionArn=execution)
        return None if seen["status"] == "RUNNING" else seen

    return eventually(ended)


def test_an_execution_ends_at_its_own_deadline(functions: Functions) -> None:
    states, execution = _start(
        functions,
        "deadline",
        {
            "StartAt": "Wait",
            "TimeoutSeconds": 5,
            "States": {"Wait": {"Type": "Wait", "Seconds": 8, "End": True}},
        },
    )
    assert _end_of(states, execution)["status"] == "TIMED_OUT"
    last = states.get_execution_history(executionArn=execution, reverseOrder=True)["events"][0]
    assert last["type"] == "ExecutionTimedOut"


def test_the_end_at_a_deadline_is_an_event_on_the_default_bus(emulator: RunningEmulator, functions: Functions) -> None:
    events, sqs = emulator.client("events"), emulator.client("sqs")
    queue = sqs.create_queue(QueueName="ends")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.states"], "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"]}}
    events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="ends", Targets=[{"Id": "queue", "Arn": queue_arn}])

    _, execution = _start(
        functions,
        "announced",
        {
            "StartAt": "Wait",
            "TimeoutSeconds": 2,
            "States": {"Wait": {"Type": "Wait", "Seconds": 9, "End": True}},
        },
    )
    bodies = eventually(
        lambda: [
            body
            for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
            if (body := json.loads(message["Body"]))["detail"]["executionArn"] == execution
        ]
    )
    assert [body["detail"]["status"] for body in bodies] == ["TIMED_OUT"]


def test_an_execution_that_was_stopped_stays_aborted(functions: Functions) -> None:
    source = "import time\ndef handler(event, context):\n    time.sleep(1)\n    raise ValueError\n"
    arn = functions.create("late-failure", source)
    states, execution = _start(
        functions,
        "stopped",
        {"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": arn, "End": True}}},
    )

    def types() -> list[str]:
        return [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]

    eventually(lambda: "TaskScheduled" in types())
    states.stop_execution(executionArn=execution, error="Stopped")
    eventually(lambda: "TaskFailed" in types())
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"


@pytest.mark.parametrize(
    ("query_language", "timeout"),
    [
        ("JSONata", {"TimeoutSeconds": "{% $states.input.limit %}"}),
        ("JSONPath", {"TimeoutSecondsPath": "$.limit"}),
    ],
)
def test_a_wait_for_a_token_ends_at_a_computed_deadline(
    emulator: RunningEmulator, functions: Functions, query_language: str, timeout: dict[str, str]
) -> None:
    queue = emulator.client("sqs").create_queue(QueueName=f"tokens-{query_language}")["QueueUrl"]
    arguments = (
        {"Arguments": {"QueueUrl": queue, "MessageBody": "{% $states.context.Task.Token %}"}}
        if query_language == "JSONata"
        else {"Parameters": {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"}}
    )
    began = time.monotonic()
    states, execution = _start(
        functions,
        f"token-{query_language}",
        {
            "QueryLanguage": query_language,
            "StartAt": "Ask",
            "States": {
                "Ask": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    **arguments,
                    **timeout,
                    "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}],
                    "End": True,
                },
                "Late": {"Type": "Pass", "End": True},
            },
        },
    )
    assert _end_of(states, execution)["status"] == "SUCCEEDED"
    assert 5 * WAIT_SCALE <= time.monotonic() - began < 5
