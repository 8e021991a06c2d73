"""The API of kie.ai as an `ImageProvider`: another provider, another account, and a way around the first one.

Facts and their standing: the provider's documentation where a comment says [doc], other people's code [client]; our own
reading [inferred].
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx

from heliograph.kernel.failures import FailureCode
from heliograph.kernel.ids import token_digest
from heliograph.providers.adapters.task_api import (
    UNREADABLE_IMAGE,
    Answer,
    Meaning,
    Refusals,
    TaskApi,
    Texts,
    by_text,
    done,
    task_failed,
)
from heliograph.providers.protocol import (
    Accepted,
    CreateOutcome,
    NoAnswer,
    StillRunning,
    TaskFacts,
    TaskFailed,
    TaskRequest,
    TaskState,
)

_CREATE_PATH = "jobs/createTask"
_POLL_PATH = "jobs/recordInfo"
# 32 hexadecimal digits as a rule [client]; nowhere promised, so what a header can carry and no person types passes.
_API_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
# 2K and 4K cost more [doc], and the price of a route is one for all its images.
_RESOLUTION = "1K"

# The one place where the provider's texts decide anything. It has no list of reasons: these are what was seen [client]
# and what its neighbours say [inferred]; the rest counts as a failure that may pass.
_TEXTS: Texts = (
    ("content polic", FailureCode.CONTENT_BLOCKED, False),
    ("moderation", FailureCode.CONTENT_BLOCKED, False),
    ("sensitive", FailureCode.CONTENT_BLOCKED, False),
    ("flagged", FailureCode.CONTENT_BLOCKED, False),
    ("nsfw", FailureCode.CONTENT_BLOCKED, False),
    ("file type", FailureCode.INVALID_INPUT, False),
    ("fetch image", FailureCode.INVALID_INPUT, False),
    ("fetch the image", FailureCode.INVALID_INPUT, False),
    ("download image", FailureCode.INVALID_INPUT, False),
    ("download the image", FailureCode.INVALID_INPUT, False),
    ("private/reserved ip", FailureCode.INVALID_INPUT, False),
    *UNREADABLE_IMAGE,
    # With 422, but no fault of the job's: another route may have it.
    ("model name you specified", FailureCode.ROUTE_UNAVAILABLE, False),
)

# Codes of the application [doc], with what the HTTP statuses of its edge add. What is not here and at least 500 is
# uncertain: 500 (kie's pages call it an error while the request was processed, which may be before or after the task
# was made, whatever HTTP status carries it) and 501 (a generation failed: one that began).
_REFUSALS = Refusals(
    by_code={
        400: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
        401: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused our API key"),
        402: (FailureCode.ROUTE_UNAVAILABLE, False, "the account at the provider has too few credits"),
        403: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused us"),
        404: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider knows no such endpoint or model"),
        413: (FailureCode.INVALID_INPUT, False, "the request is too large for the provider"),
        422: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
        429: (FailureCode.RATE_LIMITED, True, "the provider is receiving too many requests from us"),
        # A cap by hour, day or in total [doc] that was set for this key: nothing that a job could wait for.
        433: (FailureCode.ROUTE_UNAVAILABLE, False, "our API key has used up what it may at the provider"),
        455: (FailureCode.ROUTE_UNAVAILABLE, True, "the provider is under maintenance"),
        # A server error by its number only: the application itself says that it does not do this at all. As a mere
        # HTTP status (505 is "version not supported" there) it stays as uncertain as any other.
        505: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider has switched this feature off"),
    },
    plain=frozenset({401, 402, 429, 433, 455, 505}),
    texts=_TEXTS,
)

# `failCode` repeats a number, usually 400, 500 or 501 for anything [client]; only this one tells more than the text:
# "validation error in the original request" [doc].
_FAIL_CODES: dict[str, Meaning] = {"422": (FailureCode.INVALID_INPUT, False)}

# With these, too, the answer may speak of a task: one that failed; "see failMsg" [doc].
_OF_A_FAILED_TASK = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED})


class Kie:
    """One account at the provider. `api_key` is called before every request and may raise a `HeliographError`."""

    def __init__(
        self, base_url: str, api_key: Callable[[], str], *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._api = TaskApi(base_url, api_key, key_form=_API_KEY, transport=transport)

    def create(self, request: TaskRequest) -> CreateOutcome:
        """`POST /jobs/createTask`, once. A failure before anything was sent is certain, any later one is not."""
        answer = self._api.create(_CREATE_PATH, _body_of(request))
        if not isinstance(answer, Answer):
            return answer
        return Accepted(answer.task_id) if answer.task_id else _REFUSALS.read(answer)

    def poll(self, task_id: str) -> TaskState:
        """`GET /jobs/recordInfo?taskId=…`"""
        answer = self._api.get(_POLL_PATH, {"taskId": task_id})
        if not isinstance(answer, Answer):
            return answer
        state = _state(answer)
        return state if isinstance(state, NoAnswer) else replace(state, facts=_facts(answer))

    def books(self) -> None:
        """It tells how many credits are left, and nowhere whether those of running tasks are among them."""
        return


def _body_of(request: TaskRequest) -> dict[str, Any]:
    """The model is two: one for requests with references, one for those without [doc].

    `nsfw_checker` always: its default is off today [doc], and defaults drift.
    """
    inputs: dict[str, Any] = {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio.value,
        "resolution": _RESOLUTION,
        "nsfw_checker": request.nsfw_checker,
    }
    kind = "text-to-image"
    if request.reference_urls:
        kind = "image-to-image"
        inputs["input_urls"] = list(request.reference_urls)
    body: dict[str, Any] = {"model": f"{request.model}-{kind}", "input": inputs}
    if request.callback_url:
        body["callBackUrl"] = request.callback_url
    return body


def _state(answer: Answer) -> TaskState:
    # `data` also repeats our request (`param`), callback URL and all: of that, only a digest leaves this module.
    state = answer.data.get("state")
    if state == "fail" and (answer.code == HTTPStatus.OK or answer.code in _OF_A_FAILED_TASK):
        return _failed(answer)
    if answer.code != HTTPStatus.OK:
        # Among them 422 "recordInfo is null": said of tasks it does not know, or does not know yet [client].
        return NoAnswer(f"the provider said {answer.code}: {answer.text}")
    if state == "success":
        return done(answer)
    if not isinstance(state, str):
        return NoAnswer("the provider's answer has no state")
    return StillRunning()  # waiting, queuing, generating, and whatever else they may call it


def _facts(answer: Answer) -> TaskFacts:
    """When the task was made, and for which call: `param` repeats the request as a JSON string [doc]."""
    try:
        told = json.loads(answer.data["param"])["callBackUrl"]
    except (KeyError, TypeError, ValueError, RecursionError):
        told = None
    token = told.rpartition("/")[2] if isinstance(told, str) else ""
    return TaskFacts(made_at=answer.made_at, callback_sha256=token_digest(token) if token else None)


def _failed(answer: Answer) -> TaskFailed:
    """Failed tasks are free [doc]. Nothing says whether to try again, so the reason does."""
    text = answer.clean(answer.data.get("failMsg") or "no reason given")
    fail_code = answer.clean(answer.data.get("failCode") or "")
    meaning = by_text(_TEXTS, f"{fail_code} {text}") or _FAIL_CODES.get(fail_code)
    return task_failed(meaning or (FailureCode.PROVIDER_FAILED, True), text, fail_code)
