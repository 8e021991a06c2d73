"""Task APIs of providers: one call over HTTP, an answer read within limits, and the meaning of silence.

Each asks for a task with a POST that is not idempotent and about it with a GET, and answers with JSON of one envelope:
`code`, `msg`, `data`. The words in it are each provider's own, and are read in that provider's module.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from time import monotonic
from typing import Any

import httpx

from heliograph.kernel.errors import ConfigurationError, HeliographError
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.printable import without_unprintable
from heliograph.platform import tls as trust
from heliograph.platform.http_errors import may_have_arrived
from heliograph.platform.http_transport import BoundedTransport
from heliograph.platform.user_agent import USER_AGENT
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, Refused, TaskFailed, Uncertain

# A provider's edge cuts silent answers after about 100 s [inferred]: whoever waits as long learns what it says.
_CREATE_TIMEOUT = httpx.Timeout(connect=5, write=30, read=100, pool=5)
_POLL_TIMEOUT = httpx.Timeout(connect=5, write=10, read=20, pool=5)
# Books are worth no wait: a call is about to leave.
_BOOKS_TIMEOUT = httpx.Timeout(connect=2, write=2, read=3, pool=2)
# Of a whole call, however little at a time arrives: within the time-outs of the functions.
_CREATE_SECONDS = 150
_POLL_SECONDS = 25
_BOOKS_SECONDS = 5
# Of an answer, as it is sent and as it is meant.
_MAX_ANSWER_BYTES = 1024 * 1024
# By coding, what zlib calls it.
_INFLATED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
# Of a text that is looked at, and of one that is kept.
_MAX_READ_CHARACTERS = 4096
_MAX_TEXT_CHARACTERS = 300
# Nothing that must not be told goes beyond one of these.
_WORD_ENDS = " \t\r\n\"'<>"
_LARGEST_CODE = 99_999
_TASK_ID = re.compile(r"[\x21-\x7e]{1,256}")
# What is no link is no result; and the workflow passes the links on, within its limits. (One is usual.)
_LINK = re.compile(r"[\x21-\x7e]{1,2048}")
_MAX_RESULTS = 16
_LATEST_MILLISECONDS = 10**14
_SECONDS = re.compile(r"[0-9]{1,5}")
# Links sign in their query strings; keys of one provider show themselves; our callback's links end in a secret, and may
# come back escaped, as JSON in JSON or as part of another link.
_QUERY = re.compile(r"\?[^\s\"'<>]*")
_KEY_BY_FORM = re.compile(r"sk_[A-Za-z0-9]+")
_CALLBACK = re.compile(r"callbacks(?:\\*/|\\+u002f|%(?:25)*2f)[^\s\"'<>]*", re.IGNORECASE)
# A provider may repeat a key cut short: this much of its beginning tells it.
_TELLING_CHARACTERS = 8

Meaning = tuple[FailureCode, bool]
"""What a provider's word stands for: our code, and whether to try again."""

Texts = tuple[tuple[str, FailureCode, bool], ...]
"""Part of a text in lower case, and what it means; the first that fits."""

# What decoders say of a reference that they can't read [inferred]: its owner's to fix, and no fault of the route.
UNREADABLE_IMAGE: Texts = (
    ("image format", FailureCode.UNSUPPORTED_MEDIA, False),
    ("invalid image file", FailureCode.UNSUPPORTED_MEDIA, False),
    ("cannot be decoded", FailureCode.UNSUPPORTED_MEDIA, False),
    ("cannot identify image", FailureCode.UNSUPPORTED_MEDIA, False),
    ("image file is truncated", FailureCode.UNSUPPORTED_MEDIA, False),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a provider. `code` is the body's (`in_body`); the HTTP status counts only where the body has none.

    `text` is fit to be written down; what else is taken out of `data` must go through `clean` first.
    """

    code: int
    in_body: bool
    text: str
    data: dict[str, Any]
    task_id_header: str | None
    retry_after_seconds: int | None
    _key: str = field(repr=False)

    @classmethod
    def read(cls, response: httpx.Response, *, key: str, task_id_header: str | None) -> Answer:
        """As much of the answer as arrives and may be read; never raises for what is in it."""
        body = _body_of(response)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        fields = document if isinstance(document, dict) else {}
        said = fields.get("code")
        code = said if type(said) is int and 0 < said <= _LARGEST_CODE else None
        data = fields.get("data")
        retry_after = response.headers.get("retry-after", "")
        return cls(
            code=response.status_code if code is None else code,
            in_body=code is not None,
            text=_clean(_text(fields, body, response, is_json=document is not None), key),
            data=data if isinstance(data, dict) else {},
            task_id_header=response.headers.get(task_id_header) if task_id_header else None,
            retry_after_seconds=int(retry_after) if _SECONDS.fullmatch(retry_after) else None,
            _key=key,
        )

    @property
    def task_id(self) -> str | None:
        """Opaque, from the body or the header; what could be no id in a query string is none."""
        candidates = (self.data.get("taskId"), self.task_id_header)
        return next((text for text in candidates if isinstance(text, str) and _TASK_ID.fullmatch(text)), None)

    @property
    def result_urls(self) -> tuple[str, ...]:
        """Links that can be followed: from `resultUrls`, or from the JSON string `resultJson` [provider]."""
        urls = self.data.get("resultUrls")
        if not urls and isinstance(self.data.get("resultJson"), str):
            try:
                urls = json.loads(self.data["resultJson"]).get("resultUrls")
            except (ValueError, AttributeError, RecursionError):
                urls = None
        if not isinstance(urls, list):
            return ()
        links = (url for url in urls if isinstance(url, str) and _LINK.fullmatch(url))
        return tuple(islice(links, _MAX_RESULTS))

    @property
    def took_seconds(self) -> float | None:
        """From `createTime` to `completeTime`, milliseconds since the epoch [doc]."""
        began, ended = self.data.get("createTime"), self.data.get("completeTime")
        if type(began) is not int or type(ended) is not int or not 0 < began <= ended <= _LATEST_MILLISECONDS:
            return None
        return (ended - began) / 1000

    @property
    def made_at(self) -> datetime | None:
        """When the task was made, from `createTime`."""
        began = self.data.get("createTime")
        if type(began) is not int or not 0 < began <= _LATEST_MILLISECONDS:
            return None
        return datetime.fromtimestamp(began / 1000, UTC)

    def clean(self, value: object) -> str:
        """Fit for logs and records: valid text, short, without signatures, callback links and keys."""
        try:
            return _clean(value if isinstance(value, str) else str(value), self._key)
        except RecursionError:
            return "…"


class TaskApi:
    """One account at one provider. `api_key` is called before every request and may raise a `HeliographError`.

    `key_form`: what every key of the provider's looks like; anything else is not sent.
    `task_id_header`: where the provider may name the task even if the body is lost.
    """

    def __init__(
        self,
        base_url: str,
        api_key: Callable[[], str],
        *,
        key_form: re.Pattern[str],
        task_id_header: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._api_key = api_key
        self._key_form = key_form
        self._task_id_header = task_id_header
        # No connection is kept: a frozen function wakes with dead ones, and a create call on a dead connection ends
        # without an answer, which would have to count as uncertain. A handshake is cheap against 15-40 s.
        self._client = httpx.Client(
            base_url=base_url.rstrip("/") + "/",
            headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=_CREATE_TIMEOUT,
            follow_redirects=False,
            transport=transport or BoundedTransport(trust.ssl_context()),
        )

    def create(self, path: str, body: Mapping[str, Any]) -> Answer | Refused | Uncertain:
        """One POST. A failure before anything was sent is certain, any later one is not."""
        try:
            key = self._key()
        except HeliographError as error:
            return Refused(failure(FailureCode.ROUTE_UNAVAILABLE, f"our API key can't be had: {error}", again=True))
        try:
            return self._call("POST", path, key, _CREATE_SECONDS, json=body)
        except httpx.HTTPError as error:
            if may_have_arrived(error):
                return Uncertain(f"the call ended without an answer ({type(error).__name__})")
            message = f"the provider can't be reached ({type(error).__name__})"
            return Refused(failure(FailureCode.ROUTE_UNAVAILABLE, message, again=True))

    def get(self, path: str, parameters: Mapping[str, str], *, quickly: bool = False) -> Answer | NoAnswer:
        """One GET; `quickly`: or none that is slow."""
        timeout, seconds = (_BOOKS_TIMEOUT, _BOOKS_SECONDS) if quickly else (_POLL_TIMEOUT, _POLL_SECONDS)
        try:
            return self._call("GET", path, self._key(), seconds, params=parameters, timeout=timeout)
        except HeliographError as error:
            return NoAnswer(f"our API key can't be had: {error}")
        except httpx.HTTPError as error:
            return NoAnswer(f"the provider did not answer ({type(error).__name__})")

    def _key(self) -> str:
        key = self._api_key()
        if not self._key_form.fullmatch(key):
            raise ConfigurationError("it does not look like a key of this provider")
        return key

    def _call(self, method: str, path: str, key: str, seconds: float, **arguments: Any) -> Answer:
        headers, extensions = {"Authorization": f"Bearer {key}"}, {"give_up_at": monotonic() + seconds}
        with self._client.stream(method, path, headers=headers, extensions=extensions, **arguments) as response:
            return Answer.read(response, key=key, task_id_header=self._task_id_header)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Answers by which a provider says that it created nothing: by code, and by text where the code is not enough.

    `plain`: these codes mean what they mean, whatever text comes with them.
    """

    by_code: Mapping[int, tuple[FailureCode, bool, str]]
    plain: frozenset[int]
    texts: Texts

    def read(self, answer: Answer) -> Refused | Uncertain:
        """Meaning of an answer to a create call that names no task."""
        if answer.code < HTTPStatus.MULTIPLE_CHOICES:
            return Uncertain(f"the provider said {answer.code} and named no task")
        # Refusals of the application and of its edge are certain; what broke on the way may have broken too late,
        # unless the application itself says, by a code of its own in a body of its own, that it declined.
        declined = answer.in_body and answer.code in self.by_code
        if answer.code == HTTPStatus.REQUEST_TIMEOUT or (
            answer.code >= HTTPStatus.INTERNAL_SERVER_ERROR and not declined
        ):
            return Uncertain(f"the provider failed with {answer.code}: {answer.text}")
        code, again, meaning = self.by_code.get(
            answer.code, (FailureCode.PROVIDER_FAILED, False, "the provider refused the request")
        )
        if answer.code not in self.plain:
            code, again = by_text(self.texts, answer.text) or (code, again)
        return Refused(failure(code, f"{meaning}: {answer.text}", again=again), answer.retry_after_seconds)


def by_text(texts: Texts, text: str) -> Meaning | None:
    """The only way in which a provider's text decides anything."""
    return next(((code, again) for words, code, again in texts if words in text.lower()), None)


def failure(code: FailureCode, message: str, *, again: bool) -> Failure:
    """Nothing made, or made and failed: both are free [doc]."""
    return Failure(code=code, message=message, retryable=again, charged=Charged.NO)


def task_failed(meaning: Meaning, text: str, fail_code: str) -> TaskFailed:
    """The provider's own words, both already clean; `fail_code` may be empty."""
    code, again = meaning
    label = f" ({fail_code})" if fail_code else ""
    return TaskFailed(failure(code, f"the provider's task failed: {text}{label}", again=again))


def done(answer: Answer) -> Completed | NoResultYet:
    """What a finished task brought. That it brings nothing happens and counts as an error [provider]."""
    urls = answer.result_urls
    return Completed(urls, answer.took_seconds) if urls else NoResultYet()


def _body_of(response: httpx.Response) -> bytes:
    """The answer's body, as far as it is looked at; nothing of one that breaks off or can't be read.

    An edge may encode it, though it was asked not to: the answer to a create call must not be lost for that. What it
    unpacks to has the same limit.
    """
    body = bytearray()
    try:
        for part in _decoded(response):
            body += part
            if len(body) > _MAX_ANSWER_BYTES:
                break
    except (httpx.HTTPError, zlib.error):
        # The status line and the headers arrived, and a header may name the task.
        return b""
    return bytes(body)


def _decoded(response: httpx.Response) -> Iterator[bytes]:
    """The body in parts, none of them larger than the whole may be, and one more byte."""
    stream = response.stream
    assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101 - nothing here is asynchronous
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in {"identity", ""}:
        yield from stream
        return
    if coding not in _INFLATED:
        raise zlib.error(coding)
    inflater = zlib.decompressobj(_INFLATED[coding])
    for part in stream:
        yield inflater.decompress(part, _MAX_ANSWER_BYTES + 1)


def _text(fields: dict[str, Any], body: bytes, response: httpx.Response, *, is_json: bool) -> str:
    error = fields.get("error")
    nested = error.get("message") if isinstance(error, dict) else error
    said = fields.get("msg") or fields.get("message") or nested
    if isinstance(said, str):
        return said
    content_type = response.headers.get("content-type", "untyped")
    if not is_json and content_type.startswith("text/plain"):
        # Of UTF-8, a character has four bytes at most; and one more is missed.
        return body[: 4 * (_MAX_READ_CHARACTERS + 1)].decode(errors="replace")
    return f"HTTP {response.status_code}, {'no message' if is_json else f'{content_type} instead of JSON'}"


def _clean(text: str, key: str) -> str:
    """Takes time in proportion to `_MAX_READ_CHARACTERS`, whatever there is."""
    text = _beginning(text).encode(errors="replace").decode()
    text = without_unprintable(text)
    text = _CALLBACK.sub("callbacks/…", text)
    text = _QUERY.sub(lambda query: "?…" if "=" in query[0] else query[0], text)
    text = _KEY_BY_FORM.sub("sk_…", text)
    text = re.sub(re.escape(key[:_TELLING_CHARACTERS]) + r"[A-Za-z0-9_-]*", "…", text, flags=re.IGNORECASE)
    return text[:_MAX_TEXT_CHARACTERS]


def _beginning(text: str) -> str:
    """The beginning of a long text, in whole words: of half a signature or key, nobody could see what it is."""
    if len(text) <= _MAX_READ_CHARACTERS:
        return text
    end = max(text.rfind(mark, 0, _MAX_READ_CHARACTERS) for mark in _WORD_ENDS)
    return text[: end + 1] + "…"
