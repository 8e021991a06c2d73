"""Waits: the table, as both the state machine and the callback function write it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from heliograph.execution.adapters.task_tokens import KEPT_SECONDS, TaskTokenWaits
from heliograph.kernel.errors import StorageFailed, WorkflowFailed
from heliograph.platform import aws
from heliograph.routes.poll_schedule import epoch_ms

from tests.contract.asl_workflow import LISTENING
from tests.integration.conftest import Deployment, items

ATTEMPT = "att_1"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture(params=LISTENING)
def state(request: pytest.FixtureRequest) -> str:
    """Every state that can be woken."""
    return str(request.param)


@pytest.fixture
def workflows() -> Iterator[Stubber]:
    """Step Functions, which expects what it is told to and nothing else."""
    with Stubber(aws.step_functions()) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def waits(deployment: Deployment, workflows: Stubber) -> TaskTokenWaits:
    return TaskTokenWaits(aws.dynamodb(), aws.step_functions(), deployment.waits_table)


def begin_to_wait(state: str, table: str, token: str, *, asked_at: datetime) -> bool:
    """Does what the state machine does; whether it waits."""
    arguments: dict[str, Any] = LISTENING[state]["Arguments"]
    assert set(arguments) == {
        "TableName",
        "Key",
        "UpdateExpression",
        "ConditionExpression",
        "ExpressionAttributeValues",
    }
    values = {":token": {"S": token}, ":asked_at_ms": {"N": str(epoch_ms(asked_at))}, ":expires_at": {"N": "1"}}
    assert set(values) == set(arguments["ExpressionAttributeValues"])
    assert [list(value) for value in values.values()] == [
        list(arguments["ExpressionAttributeValues"][name]) for name in values
    ]
    assert list(arguments["Key"]) == ["attempt_id"]
    try:
        aws.dynamodb().update_item(
            TableName=table,
            Key={"attempt_id": {"S": ATTEMPT}},
            UpdateExpression=arguments["UpdateExpression"],
            ConditionExpression=arguments["ConditionExpression"],
            ExpressionAttributeValues=values,
        )
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"  # noqa: PT017 - all else is raised
        return False
    return True


def will_take(workflows: Stubber, token: str) -> None:
    workflows.add_response("send_task_success", {}, {"taskToken": token, "output": "{}"})


def test_a_workflow_that_waits_is_woken(
    waits: TaskTokenWaits, workflows: Stubber, deployment: Deployment, state: str
) -> None:
    assert begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)
    will_take(workflows, "token-1")

    assert waits.wake(ATTEMPT, after(20))


def test_a_wait_does_not_begin_where_there_is_news_already(
    waits: TaskTokenWaits, deployment: Deployment, state: str
) -> None:
    assert not waits.wake(ATTEMPT, after(1))

    assert not begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)
    # Since the last question nothing was heard.
    assert begin_to_wait(state, deployment.waits_table, "token-2", asked_at=after(2))


def test_news_that_woke_a_wait_does_not_keep_the_next_one_from_beginning(
    waits: TaskTokenWaits, workflows: Stubber, deployment: Deployment, state: str
) -> None:
    assert begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)
    will_take(workflows, "token-1")
    waits.wake(ATTEMPT, after(20))

    assert begin_to_wait(state, deployment.waits_table, "token-2", asked_at=after(20.1))
    will_take(workflows, "token-2")
    assert waits.wake(ATTEMPT, after(30))


@pytest.mark.parametrize("error", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_news_that_comes_while_the_question_is_asked_is_remembered_until_the_next_wait(
    waits: TaskTokenWaits, workflows: Stubber, deployment: Deployment, state: str, error: str
) -> None:
    assert begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)
    workflows.add_client_error("send_task_success", error)

    assert not waits.wake(ATTEMPT, after(20))

    assert not begin_to_wait(state, deployment.waits_table, "token-2", asked_at=after(19.9))


def test_other_attempts_are_not_woken(waits: TaskTokenWaits, deployment: Deployment, state: str) -> None:
    assert begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)

    assert not waits.wake("att_2", after(1))


def test_what_is_written_is_deleted_when_no_job_lasts_as_long(waits: TaskTokenWaits) -> None:
    waits.wake(ATTEMPT, after(0))

    [item] = items("waits")
    assert item["expires_at"] == {"N": str(int(NOW.timestamp()) + KEPT_SECONDS)}


def test_an_error_of_step_functions_is_worth_a_repeat(
    waits: TaskTokenWaits, workflows: Stubber, deployment: Deployment, state: str
) -> None:
    assert begin_to_wait(state, deployment.waits_table, "token-1", asked_at=NOW)
    workflows.add_client_error("send_task_success", "ThrottlingException")

    with pytest.raises(WorkflowFailed, match="att_1: ThrottlingException"):
        waits.wake(ATTEMPT, after(20))

    will_take(workflows, "token-1")
    assert waits.wake(ATTEMPT, after(21))


def test_an_error_of_the_table_is_worth_a_repeat(cloud: None, workflows: Stubber) -> None:
    with pytest.raises(StorageFailed):
        TaskTokenWaits(aws.dynamodb(), aws.step_functions(), "no-such-table").wake(ATTEMPT, NOW)
