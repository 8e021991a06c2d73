"""The vendor's JSON: how tasks, callbacks and errors look on the wire. Amounts are USD, times epoch
milliseconds.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from local.upstream.faults import Fault
from local.upstream.settings import MICRO_PER_USD
from local.upstream.tasks import Ending, Task

_EDGE_PAGE = (
    "<!DOCTYPE html><html><head><title>{site} | {status}: {text}</title></head>"
    "<body><h1>Error {status}</h1><p>{text}</p><p>cloudflare</p></body></html>"
)
_EDGE_TEXTS = {
    502: "Bad gateway",
    504: "Gateway time-out",
    520: "Web server is returning an unknown error",
    522: "Connection timed out",
    524: "A timeout occurred",
}


def usd(micro_usd: int) -> float:
    """Whole micro-dollars as the vendor's number."""
    return micro_usd / MICRO_PER_USD


def milliseconds(seconds: float | None) -> int | None:
    """Epoch seconds as the vendor's epoch milliseconds [doc]."""
    return None if seconds is None else round(seconds * 1000)


def success(data: Any, headers: dict[str, str] | None = None) -> JSONResponse:
    """HTTP 200 with code 200."""
    return JSONResponse({"code": 200, "msg": "success", "data": data}, headers=headers)


def error(code: int, message: str, *, status: int | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """The plain error body [vendor]; the HTTP status is the code unless told otherwise."""
    return JSONResponse({"code": code, "msg": message}, status_code=status or code, headers=headers)


def edge_page(status: int, *, site: str) -> HTMLResponse:
    """What the edge in front of the API answers when it loses patience [vendor, inferred]."""
    text = _EDGE_TEXTS.get(status, "Error")
    return HTMLResponse(_EDGE_PAGE.format(site=site, status=status, text=text), status_code=status)


def fault_answer(
    fault: Fault,
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    *,
    site: str,
    code: int | None = None,
) -> Response:
    """An error answer in the shape the rule asks for: all of these were seen [vendor, client].

    ``code``: the body's, where it is not the HTTP status.
    """
    status = fault.whole("status", status)
    message = fault.text("msg", message)
    headers = dict(headers or {})
    if "retry_after" in fault.parameters:
        headers["retry-after"] = str(fault.parameters["retry_after"])
    match fault.text("shape", "code"):
        case "error_object":
            return JSONResponse({"error": {"message": message}}, status_code=status, headers=headers)
        case "error_string":
            return JSONResponse({"error": message}, status_code=status, headers=headers)
        case "text":
            return PlainTextResponse(message, status_code=status, headers=headers)
        case "html":
            page = edge_page(status, site=site)
            page.headers.update(headers)
            return page
        case _:
            return error(fault.whole("code", code or status), message, status=status, headers=headers)


def created(task: Task, *, ended: bool) -> dict[str, object]:
    """``data`` of a create answer; with ``resultUrls`` where the model was synchronous [doc]."""
    data: dict[str, object] = {"taskId": task.task_id, "state": "pending"}
    if ended and task.ending is not None:
        data |= {"state": task.ending.state, **_ending(task, task.ending, task.ending.completed_at)}
    return data


def queried(task: Task, now: float, price_micro_usd: int) -> dict[str, object]:
    """``data`` of a query answer."""
    data: dict[str, object] = {
        "taskId": task.task_id,
        "state": task.state(now),
        "model": task.order.model,
        # [vendor] knows the first; [inferred] the name for edits.
        "modelType": "IMAGE_TO_IMAGE" if task.order.references else "TEXT_TO_IMAGE",
        "createTime": milliseconds(task.walk.created_at),
        "completeTime": None,
        "resultUrls": [],
    }
    if task.ending is not None:
        data["completeTime"] = milliseconds(task.ending.completed_at)
        data |= _ending(task, task.ending, now)
        data["credits"] = usd(price_micro_usd) if task.ending.state == "completed" else 0.0
    return data


def callback_data(task: Task) -> dict[str, object]:
    """``data`` of a callback; ``param`` and ``resultJson`` are JSON strings [client]."""
    data: dict[str, object] = {
        "taskId": task.task_id,
        "model": task.order.model,
        "state": task.ending.state if task.ending is not None else "processing",
        "createTime": milliseconds(task.walk.created_at),
        "param": json.dumps(task.order.received),
    }
    if task.ending is not None:
        data["completeTime"] = milliseconds(task.ending.completed_at)
        data |= _ending(task, task.ending, task.ending.completed_at)
        data.setdefault("resultJson", "")
        data.setdefault("failMsg", "")
    return data


def called_back(data: dict[str, object]) -> dict[str, object]:
    """The body of a callback."""
    return {"code": 200, "msg": "success", "data": data}


def _ending(task: Task, ending: Ending, now: float) -> dict[str, object]:
    if ending.state == "failed":
        said = {"failMsg": ending.fail_msg, "failCode": ending.fail_code, "retryable": ending.retryable}
        return {name: value for name, value in said.items() if value is not None}
    told: dict[str, object] = {"resultJson": json.dumps({"resultUrls": list(ending.links(now))})}
    if task.fault is None or task.fault.kind != "result_json_only":
        told["resultUrls"] = list(ending.links(now))
    return told
