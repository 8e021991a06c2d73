"""A provider's callback: the task that it names, and the answer to it."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ConfigDict, Field

from heliograph.api.problems import Problem
from heliograph.execution.receive_callback import CallbackResult

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent


# A callback repeats the order: a prompt and its links.
_MAX_CALLBACK_BYTES = 256 * 1024


class _Document(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )


class _Task(_Document):
    task_id: str = Field(validation_alias="taskId", pattern=r"^[\x21-\x7e]{1,256}$")


class _Callback(_Document):
    data: _Task


def claimed_task_id(event: APIGatewayProxyEvent) -> str | None:
    """The task that a provider's callback names; `None` for a body that names none, or is too large to look at."""
    body = event.body or ""
    if len(body) > _MAX_CALLBACK_BYTES:
        return None
    try:
        text = base64.b64decode(body) if event.is_base64_encoded else body
        return _Callback.model_validate_json(text).data.task_id
    except ValueError:
        return None


def callback_response(outcome: CallbackResult) -> Response[str]:
    """204 for what was meant for us; 404, which tells nothing, for what was not; else an answer to be repeated."""
    match outcome:
        case CallbackResult.KNOWN | CallbackResult.ADOPTED:
            return Response(HTTPStatus.NO_CONTENT.value, "application/json", "", {})
        case CallbackResult.UNKNOWN:
            raise Problem.not_found("path or method")
        case CallbackResult.MALFORMED:
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed_body", "the body names no task")
        case CallbackResult.UNCONFIRMED:
            detail = "the task could not be confirmed; send it again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retryable=True)
