"""The vendor's API (apimodels.app) as an `ImageProvider`.

Facts and their standing: the vendor's documentation and clients where a comment says [doc], [vendor] or [client];
our own reading where it says [inferred].
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from heliograph.adapters.user_agent import USER_AGENT
from heliograph.domain.errors import ConfigurationError, HeliographError
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.provider import (
    Accepted,
    Completed,
    CreateOutcome,
    NoAnswer,
    Refused,
    StillRunning,
    TaskFailed,
    TaskRequest,
    TaskState,
    Uncertain,
)

# The vendor's edge cuts silent answers after about 100 s [inferred]: whoever waits as long learns what it says.
_TIMEOUT = httpx.Timeout(connect=5, write=30, read=100, pool=5)
_ASK_TIMEOUT = httpx.Timeout(connect=5, write=10, read=20, pool=5)
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_TEXT_CHARACTERS = 300
_LARGEST_CODE = 99_999
_API_KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, vendor]
_TASK_ID = re.compile(r"[\x21-\x7e]{1,256}")
# What is no link is no result; and the workflow passes the links on, within its limits. (One is usual.)
_LINK = re.compile(r"[\x21-\x7e]{1,2048}")
_MAX_RESULTS = 16
_SECONDS = re.compile(r"[0-9]{1,5}")
_TASK_ID_HEADER = "x-apimodels-task-id"  # [client]; also on error answers

# Whether an answer without a task id is certain to have made nothing. Refusals of the application and of its edge are.
_REFUSALS: dict[int, tuple[FailureCode, bool, str]] = {
    400: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
    401: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused our API key"),
    402: (FailureCode.ROUTE_UNAVAILABLE, False, "the account at the provider has too little balance"),
    403: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused us"),
    404: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider knows no such endpoint or model"),
    413: (FailureCode.INVALID_INPUT, False, "the request is too large for the provider"),
    422: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
    429: (FailureCode.RATE_LIMITED, True, "the provider is receiving too many requests from us"),
}
# These mean what they mean, whatever text comes with them.
_SAID_BY_CODE = frozenset({401, 402, 429})
_OTHER_REFUSAL = (FailureCode.PROVIDER_FAILED, False, "the provider refused the request")

# `failCode` of a failed task [vendor]; the list is open.
_FAIL_CODES: dict[str, tuple[FailureCode, bool]] = {
    "CONTENT_MODERATION": (FailureCode.CONTENT_BLOCKED, False),
    "UPSTREAM_BUSY": (FailureCode.ROUTE_UNAVAILABLE, True),
    "TIMEOUT": (FailureCode.PROVIDER_TIMEOUT, True),
}

# The one place where the provider's texts decide anything: where it has no code for what it says.
_TEXTS: tuple[tuple[str, FailureCode, bool], ...] = (
    ("content policy", FailureCode.CONTENT_BLOCKED, False),
    ("private/reserved ip", FailureCode.INVALID_INPUT, False),
    ("invalid model", FailureCode.ROUTE_UNAVAILABLE, False),
)


class ApiModels:
    """One account at the vendor. `api_key` is called before every request and may raise a `HeliographError`."""

    def __init__(
        self, base_url: str, api_key: Callable[[], str], *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._api_key = api_key
        # No connection is kept: a frozen function wakes with dead ones, and a create call on a dead connection ends
        # without an answer, which would have to count as uncertain. A handshake is cheap against 15-40 s.
        self._client = httpx.Client(
            base_url=base_url.rstrip("/") + "/",
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            transport=transport,
        )

    def create(self, request: TaskRequest) -> CreateOutcome:
        """`POST /images/generations`, once. A failure before anything was sent is certain, any later one is not."""
        try:
            headers = self._authorization()
        except HeliographError as error:
            return Refused(_failure(FailureCode.ROUTE_UNAVAILABLE, f"our API key can't be had: {error}", again=True))
        try:
            answer = self._call("POST", headers=headers, json=_body_of(request))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            message = f"the provider can't be reached ({type(error).__name__})"
            return Refused(_failure(FailureCode.ROUTE_UNAVAILABLE, message, again=True))
        except httpx.HTTPError as error:
            return Uncertain(f"the call ended without an answer ({type(error).__name__})")
        return _created(answer)

    def ask(self, task_id: str) -> TaskState:
        """`GET /images/generations?task_id=…`; `taskId=` and the path form fail [client]."""
        try:
            headers = self._authorization()
            answer = self._call("GET", headers=headers, params={"task_id": task_id}, timeout=_ASK_TIMEOUT)
        except HeliographError as error:
            return NoAnswer(f"our API key can't be had: {error}")
        except httpx.HTTPError as error:
            return NoAnswer(f"the provider did not answer ({type(error).__name__})")
        return _state(answer)

    def _authorization(self) -> dict[str, str]:
        key = self._api_key()
        if not _API_KEY.fullmatch(key):
            raise ConfigurationError("it is no key of the vendor's form")
        return {"Authorization": f"Bearer {key}"}

    def _call(self, method: str, **arguments: Any) -> _Answer:
        with self._client.stream(method, "images/generations", **arguments) as response:
            return _Answer.read(response)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the vendor said. `code` is the body's; the HTTP status counts only where the body has none."""

    code: int
    text: str
    data: dict[str, Any]
    task_id_header: str | None
    retry_after_seconds: int | None

    @classmethod
    def read(cls, response: httpx.Response) -> _Answer:
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    break
        except httpx.HTTPError:
            # The status line and the headers arrived, and the header may name the task.
            body.clear()
        try:
            document = json.loads(bytes(body))
        except (ValueError, RecursionError):
            document = None
        fields = document if isinstance(document, dict) else {}
        code = fields.get("code")
        data = fields.get("data")
        retry_after = response.headers.get("retry-after", "")
        return cls(
            code=code if type(code) is int and 0 < code <= _LARGEST_CODE else response.status_code,
            text=_text(fields, bytes(body), response, is_json=document is not None),
            data=data if isinstance(data, dict) else {},
            task_id_header=response.headers.get(_TASK_ID_HEADER),
            retry_after_seconds=int(retry_after) if _SECONDS.fullmatch(retry_after) else None,
        )

    @property
    def task_id(self) -> str | None:
        """Opaque, from the body or the header; what could be no id in a query string is none."""
        candidates = (self.data.get("taskId"), self.task_id_header)
        return next((text for text in candidates if isinstance(text, str) and _TASK_ID.fullmatch(text)), None)


def _body_of(request: TaskRequest) -> dict[str, Any]:
    """Only the fields shown for the beta [doc]; `nsfw_checker` always: the vendor contradicts itself on its default."""
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio.value,
        "nsfw_checker": request.nsfw_checker,
    }
    if len(request.reference_urls) == 1:
        body["image_url"] = request.reference_urls[0]
    elif request.reference_urls:
        body["image_urls"] = list(request.reference_urls)
    return body


def _created(answer: _Answer) -> CreateOutcome:
    if answer.task_id:
        # Some models are done at once [doc].
        urls = _result_urls(answer.data) if answer.data.get("state") == "completed" else ()
        return Accepted(answer.task_id, urls)
    if answer.code < HTTPStatus.BAD_REQUEST and not HTTPStatus(300) <= answer.code:
        return Uncertain(f"the provider said {answer.code} and named no task")
    if answer.code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.code == HTTPStatus.REQUEST_TIMEOUT:
        return Uncertain(f"the provider failed with {answer.code}: {answer.text}")
    code, again, meaning = _REFUSALS.get(answer.code, _OTHER_REFUSAL)
    if answer.code not in _SAID_BY_CODE:
        code, again = _by_text(answer.text) or (code, again)
    return Refused(_failure(code, f"{meaning}: {answer.text}", again=again), answer.retry_after_seconds)


def _state(answer: _Answer) -> TaskState:
    if answer.code != HTTPStatus.OK:
        return NoAnswer(f"the provider said {answer.code}: {answer.text}")
    state = answer.data.get("state")
    if state == "failed":
        return TaskFailed(_task_failure(answer.data))
    if state == "completed":
        if urls := _result_urls(answer.data):
            return Completed(urls)
        # It happens and counts as an error [vendor]; whether it is billed nobody says.
        message = "the provider completed the task without a result"
        return TaskFailed(
            Failure(code=FailureCode.RESULT_UNUSABLE, message=message, retryable=False, charged=Charged.UNKNOWN)
        )
    if not isinstance(state, str):
        return NoAnswer("the provider's answer has no state")
    return StillRunning()  # pending, processing, and whatever else they may call it


def _task_failure(data: dict[str, Any]) -> Failure:
    text = _clean(str(data.get("failMsg") or "no reason given"))
    fail_code = data.get("failCode")
    known = _FAIL_CODES.get(fail_code) if isinstance(fail_code, str) else None
    code, again = known or _by_text(text) or (FailureCode.PROVIDER_FAILED, True)
    says = data.get("retryable")
    if known is None and isinstance(says, bool):
        again = says
    label = f" ({_clean(str(fail_code))})" if fail_code else ""
    return _failure(code, f"the provider's task failed: {text}{label}", again=again)


def _result_urls(data: dict[str, Any]) -> tuple[str, ...]:
    urls = data.get("resultUrls")
    if not urls and isinstance(data.get("resultJson"), str):  # a JSON string that holds the list [vendor]
        try:
            urls = json.loads(data["resultJson"]).get("resultUrls")
        except (ValueError, AttributeError, RecursionError):
            urls = None
    if not isinstance(urls, list):
        return ()
    return tuple(url for url in urls if isinstance(url, str) and _LINK.fullmatch(url))[:_MAX_RESULTS]


def _by_text(text: str) -> tuple[FailureCode, bool] | None:
    return next(((code, again) for words, code, again in _TEXTS if words in text.lower()), None)


def _failure(code: FailureCode, message: str, *, again: bool) -> Failure:
    """Nothing made, or made and failed: both are free [doc]."""
    return Failure(code=code, message=message, retryable=again, charged=Charged.NO)


def _text(fields: dict[str, Any], body: bytes, response: httpx.Response, *, is_json: bool) -> str:
    error = fields.get("error")
    nested = error.get("message") if isinstance(error, dict) else error
    said = fields.get("msg") or fields.get("message") or nested
    if isinstance(said, str):
        return _clean(said)
    content_type = response.headers.get("content-type", "untyped")
    if not is_json and content_type.startswith("text/plain"):
        return _clean(body.decode(errors="replace"))
    return f"HTTP {response.status_code}, {'no message' if is_json else f'{content_type} instead of JSON'}"


def _clean(text: str) -> str:
    """Fit for logs and records: valid text, short, without the query strings of links (they sign) and without keys."""
    text = text.encode(errors="replace").decode()
    text = re.sub(r"\?[^\s\"'<>]*=[^\s\"'<>]*", "?…", text)
    return re.sub(r"sk_[A-Za-z0-9]+", "sk_…", text)[:_MAX_TEXT_CHARACTERS]
