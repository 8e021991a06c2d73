"""AWS Step Functions: errors, and the start of executions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import WorkflowFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions import SFNClient


@contextmanager
def translated(about: str) -> Iterator[None]:
    """Raises AWS's errors as `WorkflowFailed`, which names `about`."""
    try:
        yield
    except ClientError as error:
        raise WorkflowFailed(f"{about}: {error.response.get('Error', {}).get('Code')}") from error
    except BotoCoreError as error:
        raise WorkflowFailed(f"{about}: {type(error).__name__}") from error


def start_execution(client: SFNClient, state_machine_arn: str, name: str, document: dict[str, Any]) -> bool:
    """Starts an execution; `True` also if it runs already with the same input, `False` if it ran before."""
    with translated(name):
        try:
            client.start_execution(stateMachineArn=state_machine_arn, name=name, input=json.dumps(document))
        except client.exceptions.ExecutionAlreadyExists:
            return False
    return True
