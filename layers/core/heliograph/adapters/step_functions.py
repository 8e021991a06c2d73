"""AWS Step Functions as a `Workflow`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.domain.errors import WorkflowFailed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsWorkflow:
    """A Standard state machine. The job's id is the execution's name, given out once in 90 days."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, job_id: str) -> bool:
        """`True` also while the job's execution runs: starting it again with the same input is no error to AWS."""
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn, name=job_id, input=json.dumps({"job_id": job_id})
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        except ClientError as error:
            raise WorkflowFailed(f"{job_id}: {error.response.get('Error', {}).get('Code')}") from error
        except BotoCoreError as error:
            raise WorkflowFailed(f"{job_id}: {type(error).__name__}") from error
        return True
