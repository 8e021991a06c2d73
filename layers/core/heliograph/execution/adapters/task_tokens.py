"""`Waits` of AWS Step Functions that a task token ends.

A workflow that waits for a callback of an attempt writes its token itself (`workflows/image_job.asl.json`), unless the
callback came already:

attempt_id (key)
task_token        of the wait that began last
told_at_ms        time of the last callback, in milliseconds since the epoch
expires_at        time at which DynamoDB deletes the item (TTL); no job lasts as long
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

# The workflow sets the same `expires_at` with its own writes.
KEPT_SECONDS = 172_800
_OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class TaskTokenWaits:
    """Waits with their tokens in a table of that name."""

    def __init__(self, client: DynamoDBClient, workflows: SFNClient, table: str) -> None:
        self._client = client
        self._workflows = workflows
        self._table = table

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """One write, and one request where a wait has begun.

        The write of the time and the read of the token are one operation. So a wait that begins meanwhile either finds
        the time, or is found by its token.
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
                    # That wait has ended by itself: its poll is running.
                    return False
                raise
        return True
