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

from heliograph.platform.aws_errors import code_of
from heliograph.platform.dynamodb import Table
from heliograph.platform.step_functions import ERRORS, WAIT_IS_OVER
from heliograph.routes.poll_schedule import epoch_ms

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

# The workflow sets the same `expires_at` with its own writes.
KEPT_SECONDS = 172_800


class TaskTokenWaits:
    """Waits with their tokens in a table of that name."""

    def __init__(self, client: DynamoDBClient, workflows: SFNClient, table: str) -> None:
        self._workflows = workflows
        self._table = Table(client, table)

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """One write, and one request where a wait has begun.

        The write of the time and the read of the token are one operation. So a wait that begins meanwhile either finds
        the time, or is found by its token.
        """
        news = self._table.update(
            {"attempt_id": attempt_id},
            assign={"told_at_ms": epoch_ms(at), "expires_at": int(at.timestamp()) + KEPT_SECONDS},
            returning="ALL_NEW",
            about=attempt_id,
        )
        token = news.get("task_token")
        if token is None:
            return False
        with ERRORS.translated(attempt_id):
            try:
                self._workflows.send_task_success(taskToken=token, output="{}")
            except ClientError as error:
                if code_of(error) in WAIT_IS_OVER:
                    # That wait has ended by itself: its poll is running.
                    return False
                raise
        return True
