"""kie.ai's JSON: how its tasks, callbacks and errors look on the wire. Times are epoch milliseconds."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from local.upstream.tasks import Task
from local.upstream.wire import milliseconds

# The simulator's words, which are the other vendor's, in this one's [doc].
_STATES = {"pending": "waiting", "processing": "generating", "completed": "success", "failed": "fail"}
# [client] a number; "400" for what the filter stopped.
_FAIL_CODES = {"CONTENT_MODERATION": "400", None: "500"}


def success(data: Any) -> JSONResponse:
    """HTTP 200 with code 200."""
    return JSONResponse({"code": 200, "msg": "success", "data": data})


def error(code: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Errors come with HTTP 200, and the code in the body [client]."""
    return JSONResponse({"code": code, "msg": message, "data": None}, headers=headers)


def queried(task: Task, now: float) -> dict[str, object]:
    """``data`` of an answer to ``recordInfo``: what does not apply is empty [doc]."""
    ending = task.ending
    state = task.state(now)
    # Two words for what waits: before it is in the queue, and in it.
    in_queue = state == "pending" and now >= (task.walk.created_at + task.walk.processing_at) / 2
    data: dict[str, object] = {
        "taskId": task.task_id,
        "model": task.order.model,
        "state": "queuing" if in_queue else _STATES.get(state, state),
        "param": json.dumps(task.order.received),
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "costTime": None,
        "completeTime": None,
        "createTime": milliseconds(task.walk.created_at),
        "updateTime": milliseconds(now),
    }
    if ending is not None:
        data["completeTime"] = data["updateTime"] = milliseconds(ending.completed_at)
        if ending.state == "completed":
            data["resultJson"] = json.dumps({"resultUrls": list(ending.links(now))})
            data["costTime"] = round((ending.completed_at - task.walk.created_at) * 1000)
        else:
            data["failCode"] = _FAIL_CODES.get(ending.fail_code, ending.fail_code)
            data["failMsg"] = ending.fail_msg or ""
    return data


def called_back(told: dict[str, Any]) -> dict[str, Any]:
    """The body of a callback, from ``data`` in the simulator's words."""
    state = _STATES.get(told["state"], told["state"])
    data = {name: value for name, value in told.items() if name not in {"resultUrls", "retryable"}}
    data |= {"state": state}
    if state == "fail":
        fail_code = told.get("failCode")
        data["failCode"] = _FAIL_CODES.get(fail_code, fail_code)
        return {"code": 501, "msg": "Playground task failed.", "data": data}  # [client]
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}  # [client]
