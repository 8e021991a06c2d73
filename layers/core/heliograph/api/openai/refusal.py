"""Errors of the API in OpenAI's shape: status, type, code, message and parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from heliograph.api.representations.openai import OpenAIError, OpenAIErrorAnswer
from heliograph.kernel.errors import (
    BudgetExceeded,
    Interrupted,
    InvalidRequest,
    MalformedDocument,
    TooManyWaits,
    Unavailable,
    UnsupportedMedia,
    UnusableParameters,
)
from heliograph.kernel.failures import FailureCode
from heliograph.openai_images.parameters import Code

INVALID = "invalid_request_error"
SERVER = "server_error"
LIMIT = "rate_limit_error"
# Seconds until one of the key's waits usually ends: a wait takes half a minute.
_FREE_WAIT_SECONDS = 5
# OpenAI's parameters for the fields of a job.
_PARAMETERS = {"references": "image", "aspect_ratio": "size", "nsfw_checker": "moderation", "metadata": "user"}
# Status, type and code by a job's failure. The client does not retry: the same call has the same failed jobs.
FAILURES: dict[FailureCode, tuple[HTTPStatus, str, str]] = {
    FailureCode.INVALID_INPUT: (HTTPStatus.BAD_REQUEST, INVALID, Code.INVALID),
    FailureCode.UNSUPPORTED_MEDIA: (HTTPStatus.BAD_REQUEST, INVALID, "unsupported_media"),
    FailureCode.CONTENT_BLOCKED: (HTTPStatus.BAD_REQUEST, INVALID, "content_policy_violation"),
    FailureCode.BUDGET_EXCEEDED: (HTTPStatus.TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota"),
    FailureCode.RATE_LIMITED: (HTTPStatus.TOO_MANY_REQUESTS, LIMIT, "rate_limit_exceeded"),
    FailureCode.ROUTE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, SERVER, "route_unavailable"),
    FailureCode.PROVIDER_TIMEOUT: (HTTPStatus.GATEWAY_TIMEOUT, SERVER, "provider_timeout"),
    FailureCode.PROVIDER_FAILED: (HTTPStatus.BAD_GATEWAY, SERVER, "provider_failed"),
    FailureCode.SUBMISSION_UNCERTAIN: (HTTPStatus.BAD_GATEWAY, SERVER, "submission_uncertain"),
    FailureCode.RESULT_UNUSABLE: (HTTPStatus.BAD_GATEWAY, SERVER, "result_unusable"),
    # Uploads only: no job of these routes ends with it.
    FailureCode.PRESET_STOPPED: (HTTPStatus.BAD_REQUEST, INVALID, "preset_stopped"),
    FailureCode.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, SERVER, "internal"),
}


@dataclass(eq=False)
class Refusal(Exception):
    """An error response."""

    status: HTTPStatus
    type: str
    code: str
    message: str
    param: str | None = None
    should_retry: bool = False
    """Whether OpenAI's clients repeat the call: they obey `x-should-retry`."""
    retry_after_seconds: int | None = None
    job_ids: Sequence[str] = ()

    def response(self) -> Response[str]:
        """The response in OpenAI's shape."""
        error = OpenAIError(message=self.message, type=self.type, param=self.param, code=self.code)
        headers: dict[str, str | list[str]] = {"x-should-retry": str(self.should_retry).lower()}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        body = OpenAIErrorAnswer(error=error).model_dump_json()
        return Response(self.status.value, "application/json", body, {**headers, **job_ids_header(self.job_ids)})

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """The response to an exception of these routes."""
        match error:
            case Refusal():
                return error
            case MalformedDocument():
                return cls(HTTPStatus.BAD_REQUEST, INVALID, "invalid_body", error.faults[0].detail)
            case InvalidRequest():
                code = _code_of(error)
                param = _param(error.faults[0].pointer)
                message = "; ".join(f"{_param(fault.pointer) or 'the call'}: {fault.detail}" for fault in error.faults)
                return cls(HTTPStatus.BAD_REQUEST, INVALID, code, message, param)
            case BudgetExceeded():
                status, kind, code = FAILURES[FailureCode.BUDGET_EXCEEDED]
                return cls(status, kind, code, f"{error}; nothing was done and nothing charged")
            case TooManyWaits():
                message = (
                    f"{error}; nothing was done and nothing charged. Wait for an answer, or create the jobs by "
                    "POST /v1/jobs, which needs no waiting"
                )
                return cls(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    LIMIT,
                    "too_many_waits",
                    message,
                    should_retry=True,
                    retry_after_seconds=_FREE_WAIT_SECONDS,
                )
            case Interrupted():
                message = f"a service that this needs did not answer; of the jobs, {error}; they continue. {_REPEAT}"
                return cls(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    SERVER,
                    "unavailable",
                    message,
                    should_retry=True,
                    job_ids=error.job_ids,
                )
            case Unavailable():
                message = f"a service that this needs did not answer. {_REPEAT}"
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, SERVER, "unavailable", message, should_retry=True)
            case _:
                message = f"something went wrong on our side; the request id finds it in our log. {_REPEAT}"
                return cls(HTTPStatus.INTERNAL_SERVER_ERROR, SERVER, "internal", message, should_retry=True)


_REPEAT = "Jobs may have been created: the same call, sent again within 15 minutes, finds them."


def _code_of(error: InvalidRequest) -> str:
    if isinstance(error, UnsupportedMedia):
        return FAILURES[FailureCode.UNSUPPORTED_MEDIA][2]
    return error.code if isinstance(error, UnusableParameters) else Code.INVALID


def _param(pointer: str) -> str | None:
    first = pointer.removeprefix("/").partition("/")[0]
    return _PARAMETERS.get(first, first) or None


def job_ids_header(job_ids: Sequence[str]) -> dict[str, str | list[str]]:
    """The header with the ids of the call's jobs; none without jobs."""
    return {"X-Heliograph-Job-Ids": ",".join(job_ids)} if job_ids else {}
