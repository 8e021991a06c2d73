"""Replaces how `ministack` reads a task's `TimeoutSeconds`: expressions, paths, and the scale of waits.

**Stock** passes `TimeoutSeconds` on as it stands, so `"{% $next_wait %}"` fails the state with a type error;
it ignores `TimeoutSecondsPath`; and a task that waits for a token does so in real time, while Wait states
are scaled.

**Here** both are resolved to a number first, and for `.waitForTaskToken` the number is scaled like
a Wait, because such a task is one. Other tasks do real work and keep their real time.

**Needed** while a workflow computes how long to wait for a callback; until ministack resolves it.
"""

from typing import Any

from ministack.services import stepfunctions


def install() -> None:
    stock_execute_task = stepfunctions._execute_task

    def execute_task(state: dict[str, Any], raw_input: Any, execution: Any, context: dict[str, Any]) -> Any:
        seconds = _timeout_seconds(state, raw_input, context)
        if seconds is not None:
            if ".waitForTaskToken" in state.get("Resource", ""):
                seconds *= stepfunctions._SFN_WAIT_SCALE
            state = {**state, "TimeoutSeconds": seconds}
        return stock_execute_task(state, raw_input, execution, context)

    stepfunctions._execute_task = execute_task


def _timeout_seconds(state: dict[str, Any], raw_input: Any, context: dict[str, Any]) -> float | None:
    seconds = None
    if "TimeoutSecondsPath" in state:
        seconds = stepfunctions._resolve_path_or_ctx(state["TimeoutSecondsPath"], raw_input, context)
    elif "TimeoutSeconds" in state:
        seconds = stepfunctions._jsonata_state_field(state, "TimeoutSeconds", "number", raw_input, context)
    return None if seconds is None else float(seconds)
