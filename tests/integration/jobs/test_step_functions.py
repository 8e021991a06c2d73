"""StepFunctionsWorkflow against moto's Step Functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow
from heliograph.jobs.timeline import StateVisit
from heliograph.kernel.errors import WorkflowFailed
from heliograph.platform import aws

from tests.examples import JOB_ID, after
from tests.integration.conftest import Deployment


@pytest.fixture
def workflow(deployment: Deployment) -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(aws.step_functions(), deployment.state_machine_arn)


def test_a_job_is_started_under_its_own_name(workflow: StepFunctionsWorkflow, deployment: Deployment) -> None:
    assert workflow.start(JOB_ID) is True
    states = aws.step_functions()
    [execution] = states.list_executions(stateMachineArn=deployment.state_machine_arn)["executions"]
    started = states.describe_execution(executionArn=execution["executionArn"])
    assert (started["name"], json.loads(started["input"])) == (JOB_ID, {"job_id": JOB_ID})


def test_a_job_started_again_while_it_runs_is_no_error_and_no_second_execution(
    workflow: StepFunctionsWorkflow, deployment: Deployment
) -> None:
    workflow.start(JOB_ID)
    assert workflow.start(JOB_ID) is True
    executions = aws.step_functions().list_executions(stateMachineArn=deployment.state_machine_arn)
    assert len(executions["executions"]) == 1


def test_a_job_whose_execution_has_ended_is_not_started_again(
    workflow: StepFunctionsWorkflow, deployment: Deployment
) -> None:
    workflow.start(JOB_ID)
    states = aws.step_functions()
    [execution] = states.list_executions(stateMachineArn=deployment.state_machine_arn)["executions"]
    states.stop_execution(executionArn=execution["executionArn"])
    assert workflow.start(JOB_ID) is False


@pytest.mark.parametrize("code", ["StateMachineDoesNotExist", "AccessDeniedException", "ExecutionLimitExceeded"])
def test_whatever_else_is_said_is_a_workflow_that_failed(cloud: None, code: str) -> None:
    client = aws.step_functions()
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", code)
        with pytest.raises(WorkflowFailed, match=f"{JOB_ID}: {code}"):
            StepFunctionsWorkflow(client, "arn:aws:states:eu-central-1:123456789012:stateMachine:x").start(JOB_ID)


def test_a_service_that_can_not_be_reached_is_a_workflow_that_failed(
    workflow: StepFunctionsWorkflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://states")

    monkeypatch.setattr(aws.step_functions(), "start_execution", out_of_reach)
    with pytest.raises(WorkflowFailed, match=f"{JOB_ID}: ConnectTimeoutError"):
        workflow.start(JOB_ID)


# ---- History

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:heliograph-image-job"
EXECUTION = f"arn:aws:states:eu-central-1:123456789012:execution:heliograph-image-job:{JOB_ID}"


def entered(name: str, second: float, number: int = 1) -> Any:
    return {
        "id": number,
        "type": "TaskStateEntered",
        "timestamp": after(second),
        "stateEnteredEventDetails": {"name": name, "input": "{}"},
    }


def exited(name: str, second: float, output: str | None = None, number: int = 1) -> Any:
    details = {"name": name} if output is None else {"name": name, "output": output}
    return {
        "id": number,
        "type": "TaskStateExited",
        "timestamp": after(second),
        "stateExitedEventDetails": details,
    }


def other(kind: str, second: float) -> Any:
    return {"id": 1, "type": kind, "timestamp": after(second)}


def history(*pages: list[Any], more: bool = False) -> tuple[Sequence[StateVisit], bool]:
    client = aws.step_functions()
    with Stubber(client) as stub:
        token: str | None = None
        for number, events in enumerate(pages):
            expected = {"executionArn": EXECUTION, "maxResults": 1000, **({"nextToken": token} if token else {})}
            is_last = number == len(pages) - 1 and not more
            token = None if is_last else f"page {number + 1}"
            stub.add_response(
                "get_execution_history", {"events": events, **({"nextToken": token} if token else {})}, expected
            )
        found = StepFunctionsWorkflow(client, MACHINE).history(JOB_ID)
        stub.assert_no_pending_responses()
        return found


def test_every_state_that_was_entered_is_a_stay_with_what_it_came_to(cloud: None) -> None:
    asked = json.dumps({"outcome": "processing", "unanswered": "502", "watch": {}})
    stays, complete = history(
        [
            other("ExecutionStarted", 0),
            entered("DispatchJob", 1),
            other("TaskScheduled", 1),
            other("TaskSucceeded", 2),
            exited("DispatchJob", 2, json.dumps({"outcome": "not_yet", "reason": "its turn comes later"})),
            entered("PollTask", 3),
        ],
        [exited("PollTask", 4, asked), entered("FinalizeJob", 5)],
    )
    assert complete
    assert list(stays) == [
        StateVisit("DispatchJob", after(1), after(2), "not_yet", "its turn comes later"),
        StateVisit("PollTask", after(3), after(4), "processing", "502"),
        StateVisit("FinalizeJob", after(5), None),
    ]


@pytest.mark.parametrize(
    "output",
    [
        None,
        "",
        "[]",
        '"x"',
        "null",
        '{"outcome": "not_y',
        "[" * 9000,
        '{"outcome": ["x"], "reason": {}, "unanswered": 7}',
    ],
)
def test_a_state_whose_output_is_no_document_is_a_stay_all_the_same(cloud: None, output: str | None) -> None:
    stays, _ = history([entered("WaitForSlot", 1), exited("WaitForSlot", 2, output)])
    assert list(stays) == [StateVisit("WaitForSlot", after(1), after(2))]


def test_a_history_that_is_too_long_is_told_as_far_as_it_was_read(cloud: None) -> None:
    pages = [[entered(f"state {number}", number), exited(f"state {number}", number)] for number in range(5)]
    stays, complete = history(*pages, more=True)
    assert ([stay.state for stay in stays], complete) == ([f"state {number}" for number in range(5)], False)


def test_a_job_without_an_execution_has_no_history(cloud: None) -> None:
    client = aws.step_functions()
    with Stubber(client) as stub:
        stub.add_client_error("get_execution_history", "ExecutionDoesNotExist")
        assert StepFunctionsWorkflow(client, MACHINE).history(JOB_ID) == ((), True)


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InvalidToken"])
def test_a_history_that_can_not_be_read_is_a_workflow_that_failed(cloud: None, code: str) -> None:
    client = aws.step_functions()
    with Stubber(client) as stub:
        stub.add_client_error("get_execution_history", code)
        with pytest.raises(WorkflowFailed, match=f"{JOB_ID}: {code}"):
            StepFunctionsWorkflow(client, MACHINE).history(JOB_ID)
