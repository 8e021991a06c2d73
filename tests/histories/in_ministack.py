"""The emulator's interpreter of state machines, with the replacements of `local/emulator` that concern it.

    python -m tests.histories.in_ministack

plays every history and prints the traces as JSON. It is a process of its own: ministack reads
the environment when it is imported, and a replacement stays for as long as the process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from tests.contract.cfn_template import ROOT
from tests.contract.deployed import Deployed
from tests.histories.all_of_them import HISTORIES
from tests.histories.scripts import Answers, History, News, Raises, Refused, Stage, TimesOut, Trace, error_name

# Waits, time-outs and pauses last a millionth of what they should.
_SCALE = 1e-6
_ROLE = "arn:aws:iam::000000000000:role/made-up"
_PATIENCE_SECONDS = 20
_WHOLE_PATIENCE_SECONDS = 120


def traces_in_ministack() -> dict[str, dict[str, Trace]]:
    """The trace of every history, by state machine and name, from a process of its own."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.histories.in_ministack"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "layers" / "core"), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
        timeout=_WHOLE_PATIENCE_SECONDS,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return {
        machine: {name: _read(trace) for name, trace in traces.items()}
        for machine, traces in json.loads(finished.stdout).items()
    }


def _read(trace: dict[str, Any]) -> Trace:
    pairs = {part: tuple((name, document) for name, document in trace[part]) for part in ("entered", "called")}
    return Trace(**{**trace, **pairs, "waited": tuple(trace["waited"])})


class InMinistack:
    """Plays histories, one after another. There can be one only: it replaces functions of the module."""

    def __init__(self, table: str) -> None:
        from ministack.services import stepfunctions  # noqa: PLC0415 - it reads the environment then

        self._sfn = stepfunctions
        self._table = table
        self._asked = stepfunctions._invoke_aws_sdk_integration
        self._stage: Stage
        self._ended = threading.Event()
        stepfunctions._call_lambda = self._call
        stepfunctions._invoke_aws_sdk_integration = self._update_item
        stepfunctions._resolve_lambda_function_ref = lambda value, optimized: value
        self._wait_seconds = stepfunctions._jsonata_wait_seconds
        stepfunctions._jsonata_wait_seconds = self._note_a_wait
        self._wait_for_callback = stepfunctions._invoke_with_callback
        stepfunctions._invoke_with_callback = self._note_a_wait_for_a_callback
        stepfunctions._emit_execution_status_event = self._note_an_end
        # A pause of its own before every execution.
        stepfunctions.time = SimpleNamespace(sleep=lambda seconds: None, time=time.time)

    def create(self, machine: str, workflow: dict[str, Any]) -> str:
        """A state machine; returns its ARN."""
        document = {"name": machine, "definition": json.dumps(workflow), "roleArn": _ROLE}
        return str(self._said(self._sfn._create_state_machine(document))["stateMachineArn"])

    def play(self, machine: str, workflow: dict[str, Any], history: History) -> Trace:
        """Starts an execution, and waits for its end."""
        self._stage = Stage(history, workflow)
        self._create_table()
        self._ended.clear()
        begun = {"stateMachineArn": machine, "input": json.dumps(history.begins_with)}
        execution = self._said(self._sfn._start_execution(begun))["executionArn"]
        assert self._ended.wait(_PATIENCE_SECONDS), f"{history.name}: it does not end"
        ended = self._said(self._sfn._describe_execution({"executionArn": execution}))
        events = list(self._events(execution))
        assert not self._stage.left(), f"{history.name}: {self._stage.left()}"
        entered = [event["stateEnteredEventDetails"] for event in events if event["type"].endswith("StateEntered")]
        failed = ended["status"] == "FAILED"
        return Trace(
            entered=tuple((state["name"], json.loads(state["input"])) for state in entered),
            called=tuple(self._stage.called),
            waited=tuple(self._stage.waited),
            status=ended["status"],
            error=ended.get("error") if failed else None,
            cause=ended.get("cause") if history.cause else None,
            output=None if failed else json.loads(ended["output"]),
        )

    def _events(self, execution: str) -> Iterator[dict[str, Any]]:
        """Everything in the execution's history; a task that Lambda throttles for hours fills several pages."""
        page: dict[str, Any] = {"executionArn": execution, "maxResults": 1000}
        while True:
            answer = self._said(self._sfn._get_execution_history(page))
            yield from answer["events"]
            if not answer.get("nextToken"):
                return
            page["nextToken"] = answer["nextToken"]

    @staticmethod
    def _said(answer: Any) -> Any:
        status, _, body = answer
        document = json.loads(body)
        assert status == 200, document
        return document

    def _dynamodb(self, action: str, **call: Any) -> Any:
        return self._asked(f"arn:aws:states:::aws-sdk:dynamodb:{action}", {"TableName": self._table, **call})

    def _create_table(self) -> None:
        if self._table in self._asked("arn:aws:states:::aws-sdk:dynamodb:listTables", {})["TableNames"]:
            self._dynamodb("deleteTable")
        self._dynamodb(
            "createTable",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "attempt_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "attempt_id", "KeyType": "HASH"}],
        )

    # ---- What the interpreter calls instead of what it would

    def _call(self, function: str, payload: Any) -> Any:
        match self._stage.call(function, json.loads(json.dumps(payload))):
            case Answers(document=document):
                return document
            case Raises() | Refused() | TimesOut() as failure:
                raise self._sfn._ExecutionError(error_name(failure), "as told")

    def _update_item(self, resource: str, call: dict[str, Any]) -> Any:
        news = self._stage.news()
        asked_at_ms = int(call["ExpressionAttributeValues"][":asked_at_ms"]["N"])
        match news:
            case News.NO_TABLE:
                self._dynamodb("deleteTable")
            case News.CAME:
                self._tell(call["Key"], asked_at_ms)
            case News.COMES:  # there was one before the last poll
                self._tell(call["Key"], asked_at_ms - 1)
        answer = self._asked(resource, call)
        if news is News.COMES:
            token = self._dynamodb("getItem", Key=call["Key"])["Item"]["task_token"]["S"]
            self._said(self._sfn._send_task_success({"taskToken": token, "output": "{}"}))
        return answer

    def _note_an_end(self, execution: dict[str, Any]) -> None:
        if execution["status"] != "RUNNING":
            self._ended.set()

    def _note_a_wait(self, *state: Any) -> Any:
        seconds = self._wait_seconds(*state)
        self._stage.waited.append(seconds)
        return seconds

    def _note_a_wait_for_a_callback(self, resource: str, call: Any, token: str, state: dict[str, Any]) -> Any:
        waited = True
        try:
            return self._wait_for_callback(resource, call, token, state)
        except self._sfn._ExecutionError as error:
            waited = error.error == "States.Timeout"
            raise
        finally:
            if waited:
                self._stage.waited.append(round(state["TimeoutSeconds"] / _SCALE))

    def _tell(self, key: Any, at_ms: int) -> None:
        self._dynamodb("putItem", Item={**key, "told_at_ms": {"N": str(at_ms)}})


def main() -> None:
    """Plays everything."""
    os.environ |= {"SFN_WAIT_SCALE": str(_SCALE), "LOG_LEVEL": "ERROR"}
    from local.emulator import task_timeout  # noqa: PLC0415 - it imports ministack

    task_timeout.install()
    stack = Deployed()
    told: dict[str, dict[str, Any]] = {}
    player = InMinistack(stack.value({"Ref": "WaitsTable"}))
    for name, histories in HISTORIES.items():
        workflow = stack.workflow(name)
        machine = player.create(name, workflow)
        told[name] = {one: asdict(player.play(machine, workflow, history)) for one, history in histories.items()}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
