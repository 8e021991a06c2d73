"""Waits of AWS Step Functions that a task token ends: `Waits`.

A workflow that waits for news of an attempt writes its token itself (`workflows/image_job.asl.json`), unless there is
news already:

attempt_id (key)
task_token        of the wait that began last
told_at_ms        since the epoch, when there was news last
expires_at        deleted when no job lasts as long (TTL)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from heliograph.platform import dynamodb as dynamodb_calls
from heliograph.platform import step_functions as step_functions_calls
from heliograph.platform.dynamodb import code_of
from heliograph.routes.poll_schedule import epoch_ms

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

# The workflow gives its own writes as long.
KEPT_SECONDS = 172_800
_OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class TaskTokenWaits:
    """Waits whose tokens are in a table of that name."""

    def __init__(self, client: DynamoDBClient, workflows: SFNClient, table: str) -> None:
        self._client = client
        self._workflows = workflows
        self._table = table

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """One write, and one request where a wait has begun. The news is there before the token is looked at: a wait
        that begins meanwhile finds the one, and is found by the other otherwise.
        """
        with dynamodb_calls.translated(attempt_id):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"attempt_id": {"S": attempt_id}},
                UpdateExpression="SET told_at_ms = :at, expires_at = :expires_at",
                ExpressionAttributeValues={
                    ":at": {"N": str(epoch_ms(at))},
                    ":expires_at": {"N": str(int(at.timestamp()) + KEPT_SECONDS)},
                },
                ReturnValues="ALL_NEW",
            )
        token = answer["Attributes"].get("task_token")
        if token is None:
            return False
        with step_functions_calls.translated(attempt_id):
            try:
                self._workflows.send_task_success(taskToken=token["S"], output="{}")
            except ClientError as error:
                if code_of(error) in _OVER:
                    # That wait has ended by itself: the question is being asked.
                    return False
                raise
        return True
