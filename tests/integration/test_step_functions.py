"""StepFunctionsWorkflow against moto's Step Functions."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from heliograph.adapters import aws
from heliograph.adapters.step_functions import StepFunctionsWorkflow
from heliograph.domain.errors import WorkflowFailed

from tests.contract.examples import JOB_ID
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
