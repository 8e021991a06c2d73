"""What all calls of AWS Step Functions have in common: its errors in our words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.kernel.errors import WorkflowFailed
from heliograph.platform.aws_errors import Errors

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

WAIT_IS_OVER = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})
"""Said of a task token whose wait has ended."""

ERRORS = Errors(
    failure=WorkflowFailed,
    answers=frozenset({"ExecutionAlreadyExists", "ExecutionDoesNotExist"}) | WAIT_IS_OVER,
    meanings={
        "ExecutionLimitExceeded": "as many executions are running as the account may have",
        "InvalidArn": "there can be no state machine of that ARN",
        "InvalidExecutionInput": "the execution's input is no JSON that it takes",
        "InvalidName": "there can be no execution of that name",
        "InvalidOutput": "the output is no JSON that it takes",
        "KmsAccessDeniedException": "the state machine's KMS key may not be used",
        "KmsInvalidStateException": "the state machine's KMS key is disabled or deleted",
        "KmsThrottlingException": "KMS is throttled",
        "StateMachineDeleting": "the state machine is being deleted",
        "StateMachineDoesNotExist": "there is no such state machine",
        "ValidationException": "the request is not one that Step Functions takes",
    },
)


def start_execution(client: SFNClient, state_machine_arn: str, name: str, document: dict[str, Any]) -> bool:
    """`True` if AWS took the start, also while that execution runs with the same input; `False` if it ran before."""
    with ERRORS.translated(name):
        try:
            client.start_execution(stateMachineArn=state_machine_arn, name=name, input=json.dumps(document))
        except client.exceptions.ExecutionAlreadyExists:
            return False
    return True
