"""JSON of kie.ai: its tasks, callbacks and errors. Times are epoch milliseconds."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from local.provider.tasks import Task
from local.provider.wire import milliseconds

# kie.ai's names for the simulator's states, which are those of apimodels.app [doc].
_STATES = {"pending": "waiting", "processing": "generating", "completed": "success", "failed": "fail"}
# [client] a number; "400" for a prompt that the filter stopped.
_FAIL_CODES = {"CONTENT_MODERATION": "400", None: "500"}


def success(data: Any) -> JSONResponse:
    """HTTP 200 with code 200."""
    return JSONResponse({"code": 200, "msg": "success", "data": data})


def error(code: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error: HTTP 200, with the code in the body [client]."""
    return JSONResponse({"code": code, "msg": message, "data": None}, headers=headers)


def queried(task: Task, now: float) -> dict[str, object]:
    """``data`` of a response to ``recordInfo``. Fields that do not apply are empty [doc]."""
    outcome = task.outcome
    state = task.state(now)
    # A task waits in two states: before it is queued, and queued.
    in_queue = state == "pending" and now >= (task.schedule.created_at + task.schedule.processing_at) / 2
    data: dict[str, object] = {
        "taskId": task.task_id,
        "model": task.request.model,
        "state": "queuing" if in_queue else _STATES.get(state, state),
        "param": json.dumps(task.request.received),
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "costTime": None,
        "completeTime": None,
        "createTime": milliseconds(task.schedule.created_at),
        "updateTime": milliseconds(now),
    }
    if outcome is not None:
        data["completeTime"] = data["updateTime"] = milliseconds(outcome.completed_at)
        if outcome.state == "completed":
            data["resultJson"] = json.dumps({"resultUrls": list(outcome.links(now))})
            data["costTime"] = round((outcome.completed_at - task.schedule.created_at) * 1000)
        else:
            data["failCode"] = _FAIL_CODES.get(outcome.fail_code, outcome.fail_code)
            data["failMsg"] = outcome.fail_msg or ""
    return data


def called_back(received: dict[str, Any]) -> dict[str, Any]:
    """Body of a callback, from ``data`` of apimodels.app's format."""
    state = _STATES.get(received["state"], received["state"])
    data = {name: value for name, value in received.items() if name not in {"resultUrls", "retryable"}}
    data |= {"state": state}
    if state == "fail":
        fail_code = received.get("failCode")
        data["failCode"] = _FAIL_CODES.get(fail_code, fail_code)
        return {"code": 501, "msg": "Playground task failed.", "data": data}  # [client]
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}  # [client]
