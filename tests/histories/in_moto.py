"""moto's interpreter of state machines, which is LocalStack's: its behaviour was recorded from AWS.

Functions, waits and pauses are the history's; DynamoDB is moto's own, so the conditions of `updateItem` are decided by
an implementation of DynamoDB. Nothing waits in real time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
import jsonata
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.stepfunctions.parser import utils as moto_threads
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

from tests.histories.scripts import Answers, History, News, Raises, Refused, Stage, TimesOut, Trace

_PATIENCE_SECONDS = 20
_ROLE = "arn:aws:iam::123456789012:role/made-up"


class InMoto:
    """Plays histories, one after another."""

    def __init__(self, table: str) -> None:
        self._waits = boto3.client("dynamodb", region_name="us-east-1")
        self._states = boto3.client("stepfunctions", region_name="us-east-1")
        self._table = table
        self._machines: dict[str, str] = {}
        self._names = count(1)
        self._stage: Stage
        self._news = News.NONE

    def play(self, workflow: dict[str, Any], history: History) -> Trace:
        """Starts an execution, and waits for its end."""
        self._stage = Stage(history, workflow)
        self._create_table()
        threads = len(moto_threads.TMP_THREADS)
        execution = self._states.start_execution(
            stateMachineArn=self._machine(json.dumps(workflow)),
            name=str(next(self._names)),
            input=json.dumps(history.begins_with),
        )["executionArn"]
        moto_threads.TMP_THREADS[threads].join(_PATIENCE_SECONDS)
        ended = self._states.describe_execution(executionArn=execution)
        events = self._states.get_execution_history(executionArn=execution)["events"]
        assert not self._stage.left(), self._stage.left()
        entered = [event["stateEnteredEventDetails"] for event in events if event["type"].endswith("StateEntered")]
        return Trace(
            entered=tuple((state["name"], json.loads(state["input"])) for state in entered),
            called=tuple(self._stage.called),
            waited=tuple(self._stage.waited),
            status=ended["status"],
            error=ended.get("error"),
            cause=ended.get("cause") if history.cause else None,
            output=json.loads(ended["output"]) if "output" in ended else None,
        )

    def _machine(self, definition: str) -> str:
        if definition not in self._machines:
            created = self._states.create_state_machine(
                name=f"machine-{len(self._machines)}", definition=definition, roleArn=_ROLE
            )
            self._machines[definition] = created["stateMachineArn"]
        return self._machines[definition]

    def _create_table(self) -> None:
        if self._table in self._waits.list_tables()["TableNames"]:
            self._waits.delete_table(TableName=self._table)
        self._waits.create_table(
            TableName=self._table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "attempt_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "attempt_id", "KeyType": "HASH"}],
        )

    # ---- What the interpreter calls instead of AWS

    def invoke(self, **call: Any) -> dict[str, Any]:
        """Lambda's `Invoke`."""
        match self._stage.call(call["FunctionName"], json.loads(call["Payload"])):
            case Answers(document=document):
                return _invoked(document)
            case Raises(error=error):
                return {**_invoked({"errorType": error, "errorMessage": "as told"}), "FunctionError": "Unhandled"}
            case Refused(code=code):
                metadata = {"HTTPStatusCode": 429, "RequestId": "made-up"}
                told = {"Error": {"Code": code, "Message": "as told"}, "ResponseMetadata": metadata}
                raise ClientError(told, "Invoke")  # type: ignore[arg-type]
            case TimesOut():
                raise EvalTimeoutError

    def update_item(self, **call: Any) -> Any:
        """DynamoDB's `UpdateItem`, after what the history has happen before."""
        self._news = self._stage.news()
        asked_at_ms = int(call["ExpressionAttributeValues"][":asked_at_ms"]["N"])
        match self._news:
            case News.NO_TABLE:
                self._waits.delete_table(TableName=self._table)
            case News.CAME:
                self._tell(call["Key"], asked_at_ms)
            case News.COMES:  # there was one before the last poll
                self._tell(call["Key"], asked_at_ms - 1)
        self._key = call["Key"]
        return self._waits.update_item(**call)

    def _tell(self, key: Any, at_ms: int) -> None:
        self._waits.put_item(TableName=self._table, Item={**key, "told_at_ms": {"N": str(at_ms)}})

    def wait_for_callback(self, endpoint: CallbackEndpoint, timeout: float | None) -> Any:
        """Ends the wait at once: by a callback that finds the token in the table, or by the time-out."""
        assert timeout
        self._stage.waited.append(timeout)
        if self._news is News.COMES:
            token = self._waits.get_item(TableName=self._table, Key=self._key)["Item"]["task_token"]["S"]
            self._states.send_task_success(taskToken=token, output="{}")
        return endpoint.get_outcome()

    def wait(self, seconds: float) -> None:
        """A Wait state."""
        self._stage.waited.append(seconds)


def _invoked(document: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": io.BytesIO(json.dumps(document).encode())}


def _evaluate(expression: str) -> Any:
    """In place of the Java library that moto would load."""
    try:
        return jsonata.Jsonata(expression).evaluate(None)
    except jsonata.JException as error:
        raise moto_jsonata.JSONataException(str(error.error), str(error)) from error


@contextmanager
def in_moto(table: str) -> Iterator[InMoto]:
    """An AWS of its own, whose interpreter asks the histories instead of the other services."""
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        player = InMoto(table)
        with (
            patch.object(moto_jsonata, "_eval_jsonata", _evaluate),
            patch.object(lambda_eval_utils, "boto_client_for", lambda **_: player),
            patch.object(state_task_service_aws_sdk, "boto_client_for", lambda **_: player),
            patch.object(
                CallbackEndpoint, "wait", lambda endpoint, timeout=None: player.wait_for_callback(endpoint, timeout)
            ),
            patch.object(WaitFunction, "_wait_interval", lambda _, env, wait_seconds: player.wait(wait_seconds)),
            patch.object(retrier_decl, "time", SimpleNamespace(sleep=lambda seconds: None)),
        ):
            yield player
