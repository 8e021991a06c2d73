"""JSON of apimodels.app: its tasks, callbacks and errors. Amounts are USD, times epoch milliseconds."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from local.provider.faults import Fault
from local.provider.settings import MICRO_PER_USD
from local.provider.tasks import Outcome, Task

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
    """An amount as the provider's number."""
    return micro_usd / MICRO_PER_USD


def milliseconds(seconds: float | None) -> int | None:
    """A time as the provider's epoch milliseconds [doc]."""
    return None if seconds is None else round(seconds * 1000)


def success(data: Any, headers: dict[str, str] | None = None) -> JSONResponse:
    """HTTP 200 with code 200."""
    return JSONResponse({"code": 200, "msg": "success", "data": data}, headers=headers)


def error(code: int, message: str, *, status: int | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """The plain error body [provider]; the HTTP status is the code by default."""
    return JSONResponse({"code": code, "msg": message}, status_code=status or code, headers=headers)


def edge_page(status: int, *, site: str) -> HTMLResponse:
    """The error page of the edge in front of the API [provider, inferred]."""
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
    """An error response in the shape that the fault rule names; all of these were seen [provider, client].

    ``code``: code of the body, if it is not the HTTP status.
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
    """``data`` of a create response; with ``resultUrls`` where the model was synchronous [doc]."""
    data: dict[str, object] = {"taskId": task.task_id, "state": "pending"}
    if ended and task.outcome is not None:
        data |= {"state": task.outcome.state, **_outcome(task, task.outcome, task.outcome.completed_at)}
    return data


def queried(task: Task, now: float, price_micro_usd: int) -> dict[str, object]:
    """``data`` of a query response."""
    data: dict[str, object] = {
        "taskId": task.task_id,
        "state": task.state(now),
        "model": task.request.model,
        # [provider] for the second; [inferred] for edits.
        "modelType": "IMAGE_TO_IMAGE" if task.request.references else "TEXT_TO_IMAGE",
        "createTime": milliseconds(task.schedule.created_at),
        "completeTime": None,
        "resultUrls": [],
    }
    if task.outcome is not None:
        data["completeTime"] = milliseconds(task.outcome.completed_at)
        data |= _outcome(task, task.outcome, now)
        data["credits"] = usd(price_micro_usd) if task.outcome.state == "completed" else 0.0
    return data


def callback_data(task: Task) -> dict[str, object]:
    """``data`` of a callback; ``param`` and ``resultJson`` are JSON strings [client]."""
    data: dict[str, object] = {
        "taskId": task.task_id,
        "model": task.request.model,
        "state": task.outcome.state if task.outcome is not None else "processing",
        "createTime": milliseconds(task.schedule.created_at),
        "param": json.dumps(task.request.received),
    }
    if task.outcome is not None:
        data["completeTime"] = milliseconds(task.outcome.completed_at)
        data |= _outcome(task, task.outcome, task.outcome.completed_at)
        data.setdefault("resultJson", "")
        data.setdefault("failMsg", "")
    return data


def called_back(data: dict[str, object]) -> dict[str, object]:
    """Body of a callback."""
    return {"code": 200, "msg": "success", "data": data}


def _outcome(task: Task, outcome: Outcome, now: float) -> dict[str, object]:
    if outcome.state == "failed":
        said = {"failMsg": outcome.fail_msg, "failCode": outcome.fail_code, "retryable": outcome.retryable}
        return {name: value for name, value in said.items() if value is not None}
    listed: dict[str, object] = {"resultJson": json.dumps({"resultUrls": list(outcome.links(now))})}
    if task.fault is None or task.fault.kind != "result_json_only":
        listed["resultUrls"] = list(outcome.links(now))
    return listed
