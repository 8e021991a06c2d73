"""What the load run counts, from what it sees."""

from typing import Any

import pytest

from benchmarks._load_meter import operation_of
from benchmarks._load_peer import _chain
from benchmarks.load import _of_workflow


def _entered(name: str, kind: str) -> dict[str, Any]:
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": name}}


def _scheduled(resource: str = "arn:aws:states:::lambda:invoke") -> dict[str, Any]:
    return {"type": "TaskScheduled", "taskScheduledEventDetails": {"resource": resource}}


def test_every_state_entered_is_a_transition_and_every_retry_another() -> None:
    history = [
        {"type": "ExecutionStarted"},
        _entered("Create", "Task"),
        _scheduled(),
        {"type": "TaskFailed"},
        _scheduled(),
        _entered("DispatchOutcome", "Choice"),
        _entered("Wait", "Wait"),
        _entered("Done", "Succeed"),
    ]

    told = _of_workflow([history, history[:3]])

    assert told["retries"] == 0.5
    assert told["transitions"] == (4 + 1 + 1) / 2
    assert told["states"]["Create"] == 1


def test_what_the_workflow_writes_itself_is_counted() -> None:
    waits = _scheduled("arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken")

    told = _of_workflow([[_entered("Wait", "Task"), waits, _entered("Ask", "Task"), _scheduled()]])

    assert told["workflow_writes"] == 1
    assert told["retries"] == 0


@pytest.mark.parametrize(
    ("method", "path", "target", "operation"),
    [
        ("POST", "/", "DynamoDB_20120810.PutItem", "DynamoDB.PutItem"),
        ("POST", "/", "AWSStepFunctions.StartExecution", "States.StartExecution"),
        ("POST", "/", "AWSEvents.PutEvents", "Events.PutEvents"),
        ("POST", "/", "secretsmanager.GetSecretValue", "Secrets.GetSecretValue"),
        ("PUT", "/results/a/1.jpg", "", "S3.PutObject"),
        ("HEAD", "/results/a/1.jpg", "", "S3.HeadObject"),
        ("GET", "/uploads/a.jpg?X-Amz-Signature=1", "", "S3.GetByLink"),
        ("DELETE", "/uploads/a.jpg?tagging", "", "S3.DeleteObjectTagging"),
        ("GET", "/results?list-type=2", "", "S3.GetBucket"),
    ],
)
def test_every_call_has_its_name(method: str, path: str, target: str, operation: str) -> None:
    assert operation_of(method, path, target) == operation


def test_a_peer_goes_through_its_steps_one_after_the_other() -> None:
    made = _chain([{"Type": "Task", "Resource": "r"}, {"Type": "Choice"}, {"Type": "Wait", "Seconds": 1}])

    assert made["StartAt"] == "Step 0"
    assert made["States"]["Step 0"]["Next"] == "Step 1"
    assert [each["Next"] for each in made["States"]["Step 1"]["Choices"]] == ["Step 2"]
    assert made["States"]["Step 2"]["Next"] == "Done"
