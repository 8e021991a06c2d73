"""Replaces how `ministack` runs an execution: the state machine's own `TimeoutSeconds` ends it.

**Stock** ignores `TimeoutSeconds` beside `StartAt`: an execution that should have timed out runs on. And a
task that fails after the execution was stopped turns ABORTED into FAILED.

**Here** the execution ends as TIMED_OUT, with its event in the history and on the default bus, after
`TimeoutSeconds` times the scale of Wait states, so that a test of a long deadline is quick. The
status of an ended execution does not change. As in stock, a task that is running at that moment is not
interrupted; its outcome is ignored.

**Needed** because every workflow has a deadline and its end is handled; until ministack has it.
"""

import contextvars
import json
import threading
from typing import Any

from ministack.services import stepfunctions


def install() -> None:
    stock_run_execution = stepfunctions._run_execution
    stock_fail_execution = stepfunctions._fail_execution

    def run_execution(execution_arn: str) -> None:
        deadline = _deadline_seconds(execution_arn)
        if deadline is None:
            stock_run_execution(execution_arn)
            return
        context = contextvars.copy_context()
        timer = threading.Timer(deadline, context.run, args=(_time_out, execution_arn))
        timer.daemon = True
        timer.start()
        try:
            stock_run_execution(execution_arn)
        finally:
            timer.cancel()

    def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            stock_fail_execution(execution, error, cause)

    stepfunctions._run_execution = run_execution
    stepfunctions._fail_execution = fail_execution


def _deadline_seconds(execution_arn: str) -> float | None:
    execution = stepfunctions._executions.get(execution_arn) or {}
    state_machine = stepfunctions._state_machines.get(execution.get("stateMachineArn")) or {}
    try:
        seconds = json.loads(state_machine.get("definition", "{}")).get("TimeoutSeconds")
    except ValueError:
        return None  # stock reports the malformed definition
    return None if seconds is None else float(seconds) * stepfunctions._SFN_WAIT_SCALE


def _time_out(execution_arn: str) -> None:
    execution = stepfunctions._executions.get(execution_arn)
    if execution is None or execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = stepfunctions.now_iso()
    stepfunctions._add_event(
        execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    )
    stepfunctions._emit_execution_status_event(execution)
