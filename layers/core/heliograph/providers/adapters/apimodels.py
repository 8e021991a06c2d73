"""The API of apimodels.app as an `ImageProvider`.

Facts and their standing: the provider's documentation and clients where a comment says [doc], [provider] or [client];
our own reading where it says [inferred].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx

from heliograph.kernel.failures import FailureCode
from heliograph.kernel.money import MICRODOLLARS
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
from heliograph.providers.books import Books
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

_PATH = "images/generations"
_BALANCE_PATH = "balance"
_MOST_USD = 1e9
_API_KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, provider]
_TASK_ID_HEADER = "x-apimodels-task-id"  # [client]; also on error answers

# The one place where the provider's texts decide anything: where it has no code for what it says.
_TEXTS: Texts = (
    ("content policy", FailureCode.CONTENT_BLOCKED, False),
    ("private/reserved ip", FailureCode.INVALID_INPUT, False),
    ("invalid model", FailureCode.ROUTE_UNAVAILABLE, False),
    *UNREADABLE_IMAGE,
)

_REFUSALS = Refusals(
    by_code={
        400: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
        401: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused our API key"),
        402: (FailureCode.ROUTE_UNAVAILABLE, False, "the account at the provider has too little balance"),
        403: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider refused us"),
        404: (FailureCode.ROUTE_UNAVAILABLE, False, "the provider knows no such endpoint or model"),
        413: (FailureCode.INVALID_INPUT, False, "the request is too large for the provider"),
        422: (FailureCode.INVALID_INPUT, False, "the provider refused the request"),
        429: (FailureCode.RATE_LIMITED, True, "the provider is receiving too many requests from us"),
    },
    plain=frozenset({401, 402, 429}),
    texts=_TEXTS,
)

# `failCode` of a failed task [provider]; the list is open.
_FAIL_CODES: dict[str, Meaning] = {
    "CONTENT_MODERATION": (FailureCode.CONTENT_BLOCKED, False),
    "UPSTREAM_BUSY": (FailureCode.ROUTE_UNAVAILABLE, True),
    "TIMEOUT": (FailureCode.PROVIDER_TIMEOUT, True),
}


class ApiModels:
    """One account at the provider. `api_key` is called before every request and may raise a `HeliographError`."""

    def __init__(
        self, base_url: str, api_key: Callable[[], str], *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._api = TaskApi(base_url, api_key, key_form=_API_KEY, task_id_header=_TASK_ID_HEADER, transport=transport)

    def create(self, request: TaskRequest) -> CreateOutcome:
        """`POST /images/generations`, once. A failure before anything was sent is certain, any later one is not."""
        answer = self._api.create(_PATH, _body_of(request))
        return _created(answer) if isinstance(answer, Answer) else answer

    def poll(self, task_id: str) -> TaskState:
        """`GET /images/generations?task_id=…`; `taskId=` and the path form fail [client]."""
        answer = self._api.get(_PATH, {"task_id": task_id})
        if not isinstance(answer, Answer):
            return answer
        state = _state(answer)
        return state if isinstance(state, NoAnswer) else replace(state, facts=TaskFacts(made_at=answer.made_at))

    def books(self) -> Books | None:
        """`GET /balance` [provider]."""
        answer = self._api.get(_BALANCE_PATH, {}, quickly=True)
        return _books(answer) if isinstance(answer, Answer) else None


def _books(answer: Answer) -> Books | None:
    """`frozen` is held for running tasks, from their creation on [provider]. Only what is certain counts."""
    balance, frozen = (_microdollars(answer.data.get(name)) for name in ("balance", "frozen"))
    known = answer.code == HTTPStatus.OK and answer.data.get("currency") == "USD"
    if not known or balance is None or frozen is None:
        return None
    return Books(balance_microusd=balance, held_microusd=frozen)


def _microdollars(said: object) -> int | None:
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < _MOST_USD:
        return None
    return round(said * MICRODOLLARS)


def _body_of(request: TaskRequest) -> dict[str, Any]:
    """Only the fields shown for the beta [doc]; `nsfw_checker` always: its documented default is contradictory."""
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
    if request.callback_url:
        body["callback_url"] = request.callback_url
    return body


def _created(answer: Answer) -> CreateOutcome:
    if answer.task_id:
        # Some models are done at once [doc].
        urls = answer.result_urls if answer.data.get("state") == "completed" else ()
        return Accepted(answer.task_id, urls)
    return _REFUSALS.read(answer)


def _state(answer: Answer) -> TaskState:
    if answer.code != HTTPStatus.OK:
        return NoAnswer(f"the provider said {answer.code}: {answer.text}")
    state = answer.data.get("state")
    if state == "failed":
        return _failed(answer)
    if state == "completed":
        return done(answer)
    if not isinstance(state, str):
        return NoAnswer("the provider's answer has no state")
    return StillRunning()  # pending, processing, and whatever else they may call it


def _failed(answer: Answer) -> TaskFailed:
    text = answer.clean(answer.data.get("failMsg") or "no reason given")
    fail_code = answer.data.get("failCode")
    known = _FAIL_CODES.get(fail_code) if isinstance(fail_code, str) else None
    code, again = known or by_text(_TEXTS, text) or (FailureCode.PROVIDER_FAILED, True)
    says = answer.data.get("retryable")
    if known is None and isinstance(says, bool):
        again = says
    return task_failed((code, again), text, answer.clean(fail_code or ""))
