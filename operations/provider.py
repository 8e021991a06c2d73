"""Free questions to apimodels.app: is the key good, what is left of the balance, which models are there today.

Facts and their standing: the provider's documentation and its clients' code where a comment says [doc] or [provider].
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx

from operations.findings import Finding, ok, problem, warning

NAME = "apimodels.app"
KEYS_COME_FROM = "https://apimodels.app"
KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, provider]
_TIMEOUT = httpx.Timeout(connect=5, write=10, read=20, pool=5)
_TASK_ID_HEADER = "x-apimodels-task-id"
_SUPPORTED = re.compile(r"supported models:\s*(?P<models>.+)", re.IGNORECASE | re.DOTALL)  # [provider]
_KEY_INSIDE = re.compile(r"sk_[A-Za-z0-9]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_MOST_CHARACTERS = 300
_FEW_IMAGES = 20


class NotAnswered(Exception):
    """The provider could not be asked, or said something else; the message says what."""


class KeyRefused(Exception):
    """The provider does not accept the key."""


class TaskMade(Exception):
    """A question that must never make a task was accepted as one. It may be charged."""


@dataclass(frozen=True)
class _Answer:
    """`code`: the body's, which decides; the HTTP status where the body has none. `text`: fit for a terminal."""

    status: int
    code: int
    said: str
    data: Any
    task_id: str | None

    @property
    def text(self) -> str:
        cleaned = _UNPRINTABLE.sub(" ", _KEY_INSIDE.sub("sk_…", self.said))
        return cleaned[:_MOST_CHARACTERS]

    @property
    def is_accepted(self) -> bool:
        return httpx.codes.is_success(self.status) and self.code < HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Provider:
    """An account at the provider."""

    base_url: str
    key: str
    transport: httpx.BaseTransport | None = None

    def balance_usd(self) -> Decimal:
        """What can still be spent: without what is held for running tasks [provider].

        Raises `KeyRefused` and `NotAnswered`.
        """
        answer = self._call("GET", "balance")
        data = answer.data if isinstance(answer.data, dict) else {}
        try:
            return Decimal(str(data["balance"])) - Decimal(str(data.get("frozen") or 0))
        except (KeyError, ArithmeticError) as error:
            raise NotAnswered(f"its answer has no balance ({answer.code}: {answer.text})") from error

    def models(self) -> frozenset[str]:
        """The models that it takes create calls for today.

        The provider lists them in its answer to a call that names an unknown model, for free [provider]. The first
        call lacks a prompt as well, which every model needs: two reasons, each of which alone makes a task impossible.
        Nothing is repeated.
        Raises `KeyRefused`, `NotAnswered` and, at the first sign of a task, `TaskMade`.
        """
        impossible = f"heliograph-preflight-{secrets.token_hex(8)}"
        answer = self._refused({"model": impossible})
        if (models := _told(answer.said)) is None:
            # It looked for the prompt first.
            answer = self._refused({"model": impossible, "prompt": "none"})
            models = _told(answer.said)
        if models is None:
            raise NotAnswered(f"it refused a model that does not exist without naming others ({answer.text})")
        return models

    def _refused(self, body: dict[str, str]) -> _Answer:
        answer = self._call("POST", "images/generations", body)
        if answer.is_accepted or answer.task_id:
            raise TaskMade(
                f"THE PROVIDER ACCEPTED A CREATE CALL FOR A MODEL THAT DOES NOT EXIST (HTTP {answer.status}, task "
                f"{answer.task_id or 'unknown'}). It may be charged: look at the account there, and report it."
            )
        return answer

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> _Answer:
        headers = {"Authorization": f"Bearer {self.key}", "User-Agent": "heliograph-preflight"}
        try:
            with httpx.Client(timeout=_TIMEOUT, transport=self.transport) as client:
                response = client.request(method, f"{self.base_url.rstrip('/')}/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotAnswered(f"it could not be asked ({type(error).__name__})") from error
        answer = _read(response)
        if answer.code == HTTPStatus.UNAUTHORIZED:
            raise KeyRefused
        if method == "GET" and answer.code != HTTPStatus.OK:
            raise NotAnswered(f"it said {answer.code}: {answer.text}")
        return answer


def account_findings(provider: Provider, prices: Iterable[Decimal]) -> Iterator[Finding]:
    """Whether the key is good, and how many images the balance pays for. `prices`: of the routes through it."""
    about = f"Key of {NAME}"
    try:
        balance = provider.balance_usd()
    except KeyRefused:
        yield problem(about, f"the provider refuses it. Get another at {KEYS_COME_FROM}; `make key` stores it.")
    except NotAnswered as error:
        yield warning(about, f"not checked: {error}.")
    else:
        yield ok(about, "the provider accepts it.")
        yield from _balance_findings(balance, list(prices))


def model_findings(provider: Provider, models: Iterable[str]) -> Iterator[Finding]:
    """Whether the provider names the configured models among those that it supports today."""
    about = f"Models of {NAME}"
    try:
        known = provider.models()
    except TaskMade as error:
        yield problem(about, str(error))
    except KeyRefused:
        yield warning(about, "not checked: the provider refuses the key.")
    except NotAnswered as error:
        yield warning(about, f"not checked: {error}.")
    else:
        wanted = list(dict.fromkeys(models))
        missing = [model for model in wanted if model not in known]
        if not missing:
            yield ok(about, f"{', '.join(wanted)} supported today.")
        elif len(missing) == len(wanted):
            yield problem(
                about,
                f"none of {', '.join(wanted)} is among those that are supported today ({', '.join(sorted(known))}). "
                "Deploy with other Routes.",
            )
        else:
            yield warning(
                about,
                f"{', '.join(missing)} is not among those that are supported today. A model in beta may work without "
                "being named; if its jobs fail, `make disable-route ROUTE=…`, or deploy with other Routes.",
            )


def _balance_findings(balance: Decimal, prices: list[Decimal]) -> Iterator[Finding]:
    about = f"Balance at {NAME}"
    images = int(balance / max(prices)) if prices else 0
    if prices and balance < min(prices):
        yield problem(about, f"{balance:.2f} USD pays for no image. Top it up at {KEYS_COME_FROM}.")
    elif images < _FEW_IMAGES:
        yield warning(about, f"{balance:.2f} USD, enough for some {images} images. Top it up at {KEYS_COME_FROM}.")
    else:
        yield ok(about, f"{balance:.2f} USD, enough for some {images} images.")


def _told(text: str) -> frozenset[str] | None:
    found = _SUPPORTED.search(text)
    names = [name.strip().rstrip(".") for name in found["models"].split(",")] if found else []
    return frozenset(name for name in names if name) or None


def _read(response: httpx.Response) -> _Answer:
    try:
        body = response.json()
    except ValueError:
        body = response.text
    document = body if isinstance(body, dict) else {}
    code = document.get("code")
    data = document.get("data")
    error = document.get("error")
    text = document.get("msg") or (error.get("message") if isinstance(error, dict) else error) or body
    task_id = data.get("taskId") if isinstance(data, dict) else None
    return _Answer(
        status=response.status_code,
        code=code if isinstance(code, int) else response.status_code,
        said=str(text),
        data=data,
        task_id=str(task_id) if task_id else response.headers.get(_TASK_ID_HEADER),
    )
