"""One question about one task: every state of the upstream contract."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.books import Books
from heliograph.providers.protocol import (
    Completed,
    NoAnswer,
    NoResultYet,
    StillRunning,
    TaskFacts,
    TaskFailed,
    TaskState,
)

from tests.integration.loopback import free_port, saying

KEY = "sk_madeUpForTheseTests1234"
URL = "https://r2.apimodels.app/images/1.jpeg"


def asked(response: httpx.Response) -> TaskState:
    transport = httpx.MockTransport(lambda _: response)
    return ApiModels("https://api.apimodels.app/v1", lambda: KEY, transport=transport).poll("clx1")


def told(**data: Any) -> TaskState:
    return asked(httpx.Response(200, json={"code": 200, "msg": "success", "data": {"taskId": "clx1", **data}}))


@pytest.mark.parametrize("state", ["pending", "processing", "queued", "WAITING", "", "compleded"])
def test_a_task_in_any_other_state_is_still_running(state: str) -> None:
    assert told(state=state) == StillRunning()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"resultUrls": [URL]}, id="a list"),
        pytest.param({"resultUrls": [URL], "resultJson": "{"}, id="the list before the string"),
        pytest.param({"resultJson": json.dumps({"resultUrls": [URL]})}, id="a JSON string"),
        pytest.param({"resultUrls": [], "resultJson": json.dumps({"resultUrls": [URL]})}, id="an empty list, a string"),
        pytest.param({"resultUrls": None, "resultJson": json.dumps({"resultUrls": [URL]})}, id="null, a string"),
        pytest.param({"resultUrls": [URL, None, 3, ""]}, id="a list with holes"),
        pytest.param({"resultUrls": [URL], "createTime": 1795341600000, "credits": 0.06, "new": {}}, id="more fields"),
    ],
)
def test_a_completed_task_has_its_links(data: dict[str, Any]) -> None:
    assert told(state="completed", **data) == Completed((URL,))


def test_a_finished_task_says_what_it_took_by_its_providers_clock() -> None:
    state = told(state="completed", resultUrls=[URL], createTime=1795341600000, completeTime=1795341621500)
    assert state == Completed((URL,), took_seconds=21.5)


@pytest.mark.parametrize("state", ["pending", "completed", "failed"])
@pytest.mark.parametrize(
    ("said", "made_at"),
    [
        (1795341600000, datetime(2026, 11, 22, 10, 0, tzinfo=UTC)),
        *[(junk, None) for junk in (None, 0, -5, "1795341600000", 1.5, True, 10**30, (), "x")],
    ],
)
def test_a_task_says_when_it_was_made(state: str, said: object, made_at: datetime | None) -> None:
    found = told(state=state, resultUrls=[URL], createTime=said)
    assert not isinstance(found, NoAnswer)
    assert found.facts == TaskFacts(made_at)


@pytest.mark.parametrize("complete", [None, 0, 1795341599999, -5, "1795341621500", 1795341621.5, True, 10**30, [], {}])
def test_what_can_be_no_time_of_completion_is_not_believed(complete: object) -> None:
    assert told(state="completed", resultUrls=[URL], createTime=1795341600000, completeTime=complete) == Completed(
        (URL,)
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"resultUrls": []},
        {"resultUrls": None},
        {"resultUrls": URL},
        {"resultUrls": {"0": URL}},
        {"resultUrls": [None]},
        {"resultJson": "garbage"},
        {"resultJson": "[]"},
        {"resultJson": "null"},
        {"resultJson": "{}"},
        {"resultJson": json.dumps({"resultUrls": URL})},
        {"resultJson": {"resultUrls": [URL]}},
        {"resultJson": "[" * 5_000},
        {"resultJson": '{"a":' * 100_000},
    ],
)
def test_a_completed_task_without_a_link_has_no_result_yet(data: dict[str, Any]) -> None:
    assert told(state="completed", **data) == NoResultYet()


@pytest.mark.parametrize(
    ("data", "code", "again"),
    [
        ({"failCode": "CONTENT_MODERATION"}, FailureCode.CONTENT_BLOCKED, False),
        ({"failCode": "CONTENT_MODERATION", "retryable": True}, FailureCode.CONTENT_BLOCKED, False),
        ({"failCode": "UPSTREAM_BUSY"}, FailureCode.ROUTE_UNAVAILABLE, True),
        ({"failCode": "TIMEOUT"}, FailureCode.PROVIDER_TIMEOUT, True),
        ({"failCode": "NEW_CODE"}, FailureCode.PROVIDER_FAILED, True),
        ({"failCode": "NEW_CODE", "retryable": False}, FailureCode.PROVIDER_FAILED, False),
        ({"failCode": "NEW_CODE", "retryable": True}, FailureCode.PROVIDER_FAILED, True),
        ({"failCode": 7}, FailureCode.PROVIDER_FAILED, True),
        ({"failCode": ["x"]}, FailureCode.PROVIDER_FAILED, True),
        ({}, FailureCode.PROVIDER_FAILED, True),
        ({"retryable": False}, FailureCode.PROVIDER_FAILED, False),
        ({"retryable": "no"}, FailureCode.PROVIDER_FAILED, True),
        ({"failMsg": "Content policy violation"}, FailureCode.CONTENT_BLOCKED, False),
        ({"failMsg": "private/reserved IP addresses not allowed"}, FailureCode.INVALID_INPUT, False),
        ({"failMsg": "Reference image 1 cannot be decoded"}, FailureCode.UNSUPPORTED_MEDIA, False),
        ({"failMsg": "Unsupported image format: only JPEG"}, FailureCode.UNSUPPORTED_MEDIA, False),
        ({"failMsg": "Invalid image file or mode for image 1"}, FailureCode.UNSUPPORTED_MEDIA, False),
        ({"failMsg": None}, FailureCode.PROVIDER_FAILED, True),
        ({"failMsg": {"text": "x"}}, FailureCode.PROVIDER_FAILED, True),
    ],
)
def test_a_failed_task_is_free_and_told_by_its_code_then_by_its_text(
    data: dict[str, Any], code: FailureCode, again: bool
) -> None:
    state = told(state="failed", **data)
    assert isinstance(state, TaskFailed)
    assert (state.failure.code, state.failure.retryable, state.failure.charged) == (code, again, Charged.NO)


def test_a_failure_repeats_the_providers_words_and_code() -> None:
    state = told(state="failed", failMsg="Content policy violation", failCode="CONTENT_MODERATION")
    assert isinstance(state, TaskFailed)
    assert state.failure.message == "the provider's task failed: Content policy violation (CONTENT_MODERATION)"


def test_a_failure_does_not_repeat_what_signs_a_link() -> None:
    state = told(state="failed", failMsg="no image at https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=5161")
    assert isinstance(state, TaskFailed)
    assert "X-Amz" not in state.failure.message


def test_a_failure_does_not_repeat_where_to_call_back() -> None:
    state = told(state="failed", failMsg="no answer at https://abc.acme.com/live/v1/callbacks/job_1/unguessable")
    assert isinstance(state, TaskFailed)
    assert state.failure.message.endswith(": no answer at https://abc.acme.com/live/v1/callbacks/…")


@pytest.mark.parametrize("field", ["failMsg", "failCode"])
@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY}",
        "no image at /shoe.jpg?X-Amz-Signature=madeUp",
        "HTTPS://B.ACME.COM/shoe.jpg?token=madeUp",
        {"url": "https://b.acme.com/shoe.jpg?token=madeUp", "key": KEY},
        [KEY],
        "half \ud83c of a wave",
        "x" * 100_000,
    ],
)
def test_a_failure_is_fit_to_be_written_down(field: str, text: Any) -> None:
    raw = json.dumps({"code": 200, "data": {"state": "failed", field: text}})
    state = asked(httpx.Response(200, text=raw))
    assert isinstance(state, TaskFailed)
    assert "madeUp" not in state.failure.message
    assert len(state.failure.message.encode()) < 700
    assert state.failure.model_dump_json()


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(401, json={"code": 401, "msg": "invalid key"}), id="401"),
        pytest.param(httpx.Response(404, json={"code": 404, "msg": "no such task"}), id="404"),
        pytest.param(httpx.Response(429, json={"code": 429, "msg": "slow down"}), id="429"),
        pytest.param(httpx.Response(500, json={"code": 500, "msg": "oops"}), id="500"),
        pytest.param(httpx.Response(200, json={"code": 500, "msg": "oops"}), id="code 500 on 200"),
        pytest.param(httpx.Response(200, json={"code": 401, "data": {"state": "failed"}}), id="failed, but code 401"),
        *(pytest.param(httpx.Response(status, html="<html>"), id=f"HTML {status}") for status in (502, 504, 522, 524)),
        pytest.param(httpx.Response(200, html="<html>"), id="HTML 200"),
        pytest.param(httpx.Response(200, content=b""), id="empty"),
        pytest.param(httpx.Response(200, content=b'{"code": 200, "data": {"state": "fai'), id="half a body"),
        pytest.param(httpx.Response(200, json={"code": 200}), id="no data"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": {"state": None}}), id="no state"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": {"state": 3}}), id="a state that is no text"),
        pytest.param(httpx.Response(302, headers={"location": "https://evil.acme.com"}), id="a redirect"),
        pytest.param(httpx.Response(200, content=b"x" * 2_000_000), id="an endless body"),
    ],
)
def test_an_answer_that_can_not_be_used_says_nothing_about_the_task(response: httpx.Response) -> None:
    assert isinstance(asked(response), NoAnswer)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("x"), httpx.ConnectError("x"), httpx.RemoteProtocolError("x"), httpx.PoolTimeout("x")]
)
def test_a_question_that_got_lost_says_nothing_about_the_task(error: Exception) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise error

    provider = ApiModels("https://api.apimodels.app/v1", lambda: KEY, transport=httpx.MockTransport(broken))
    assert provider.poll("clx1") == NoAnswer(f"the provider did not answer ({type(error).__name__})")


def test_a_key_that_can_not_be_had_says_nothing_about_the_task() -> None:
    def no_key() -> str:
        raise StorageFailed("the secret can't be read")

    assert isinstance(ApiModels("https://api.apimodels.app/v1", no_key).poll("clx1"), NoAnswer)


@pytest.mark.parametrize("key", ["", "sk_short", f"{KEY}\nX-Injected: 1", f"{KEY}ü", f"Bearer {KEY}"])
def test_a_key_of_another_form_asks_nothing_and_is_not_told(key: str) -> None:
    def unreachable(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent with such a key")

    provider = ApiModels("https://api.apimodels.app/v1", lambda: key, transport=httpx.MockTransport(unreachable))
    state = provider.poll("clx1")
    assert isinstance(state, NoAnswer)
    assert "madeUp" not in repr(state)


@pytest.mark.parametrize("text", [f"could not load {URL}?token=madeUp", f"the key {KEY} is wrong", "half \ud83c"])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_no_unusable_answer_tells_a_key_or_what_signs_a_link(text: str, status: int) -> None:
    state = asked(httpx.Response(status, text=json.dumps({"code": status, "msg": text})))
    assert isinstance(state, NoAnswer)
    assert "madeUp" not in state.reason
    assert state.reason.encode()


@pytest.mark.parametrize("base", ["https://api.apimodels.app/v1", "https://apimodels.app/api/v1"])
def test_a_question_names_the_task_in_the_one_parameter_that_works(base: str) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"code": 200, "data": {"state": "pending"}})

    ApiModels(base, lambda: KEY, transport=httpx.MockTransport(reply)).poll("clx 1&a=b")
    [request] = seen
    assert (request.method, request.content) == ("GET", b"")
    assert str(request.url).startswith(f"{base}/images/generations?")
    assert list(request.url.params.multi_items()) == [("task_id", "clx 1&a=b")]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("heliograph/")


def test_a_connection_cut_in_the_middle_says_nothing_about_the_task() -> None:
    with saying(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"code": 200, "data": {"state": "failed"') as server:
        state = ApiModels(f"{server.origin}/v1", lambda: KEY).poll("clx1")
    assert isinstance(state, NoAnswer)


def test_a_vendor_that_is_away_says_nothing_about_the_task() -> None:
    assert isinstance(ApiModels(f"http://127.0.0.1:{free_port()}/v1", lambda: KEY).poll("clx1"), NoAnswer)


def test_what_no_client_could_follow_is_no_link_and_no_more_are_taken_than_the_workflow_can_carry() -> None:
    followable = [f"https://r2.apimodels.app/{index}.png" for index in range(20_000)]
    unusable = ["https://r2.apimodels.app/\ud800.png", "https://r2.apimodels.app/a b", f"https://a/{'x' * 3000}"]

    data = {"taskId": "clx1", "state": "completed", "resultUrls": [*unusable, *followable]}
    state = asked(httpx.Response(200, content=json.dumps({"code": 200, "data": data}).encode()))

    assert state == Completed(tuple(followable[:16]))


def test_a_code_of_absurd_size_does_not_make_the_reason_absurd() -> None:
    state = asked(httpx.Response(502, content=b'{"code": ' + b"9" * 4200 + b"}"))

    assert isinstance(state, NoAnswer)
    assert len(state.reason) < 400


def books_of(response: httpx.Response) -> Books | None:
    transport = httpx.MockTransport(lambda _: response)
    return ApiModels("https://api.apimodels.app/v1", lambda: KEY, transport=transport).books()


def balance(**data: Any) -> httpx.Response:
    known = {"balance": 12.34, "total": 12.34, "frozen": 0.12, "currency": "USD"}
    return httpx.Response(200, json={"code": 200, "msg": "success", "data": {**known, **data}})


def test_the_books_are_the_accounts_balance_and_what_is_held_of_it() -> None:
    assert books_of(balance()) == Books(balance_microusd=12_340_000, held_microusd=120_000)
    assert books_of(balance(balance=0, frozen=0)) == Books(balance_microusd=0, held_microusd=0)
    assert books_of(balance(balance=-0.06)) == Books(balance_microusd=-60_000, held_microusd=120_000)


@pytest.mark.parametrize(
    "response",
    [
        *[balance(**{name: junk}) for name in ("balance", "frozen") for junk in (None, "12.34", True, (), 1e300)],
        balance(currency="EUR"),
        balance(currency=None),
        httpx.Response(200, json={"code": 401, "msg": "no", "data": {"balance": 1, "frozen": 0, "currency": "USD"}}),
        httpx.Response(502, text="<html>", headers={"content-type": "text/html"}),
        httpx.Response(200, json={"balance": 1, "frozen": 0}),
        httpx.Response(200, text='{"code": 200, "data": {"balance": NaN, "frozen": 0, "currency": "USD"}}'),
    ],
)
def test_what_can_be_no_books_is_none(response: httpx.Response) -> None:
    assert books_of(response) is None


def test_books_of_a_provider_that_is_away_are_none() -> None:
    api = ApiModels(f"http://127.0.0.1:{free_port()}/v1", lambda: KEY)
    assert api.books() is None
