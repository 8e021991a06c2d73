"""One question about one task at kie.ai: every state, every way to fail, every way not to answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.kernel.ids import token_digest
from heliograph.providers.adapters.kie import Kie
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

KEY = "00112233445566778899aabbccddeeff"
BASE = "https://api.kie.ai/api/v1"
URL = "https://tempfile.aiquickdraw.com/s/1.png"
CALLBACK = "https://abc.execute-api.us-east-1.amazonaws.com/live/v1/callbacks/job_0123/unguessableToken"
PARAM = json.dumps({"model": "gpt-image-2-text-to-image", "callBackUrl": CALLBACK, "input": {"prompt": "a shoe"}})


def asked(response: httpx.Response) -> TaskState:
    return Kie(BASE, lambda: KEY, transport=httpx.MockTransport(lambda _: response)).poll("task_1")


def told(*, code: int = 200, **data: Any) -> TaskState:
    known = {"taskId": "task_1", "model": "gpt-image-2-text-to-image", "param": PARAM, "createTime": 1795341600000}
    return asked(httpx.Response(200, json={"code": code, "msg": "success", "data": {**known, **data}}))


def results(*urls: object) -> str:
    return json.dumps({"resultUrls": list(urls)})


@pytest.mark.parametrize("state", ["waiting", "queuing", "generating", "warming_up", "SUCCESS", "failed", ""])
def test_a_task_in_any_other_state_is_still_running(state: str) -> None:
    assert told(state=state, resultJson="", failCode="", failMsg="") == StillRunning()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"resultJson": results(URL)}, id="as documented"),
        pytest.param({"resultJson": results(URL), "failCode": "", "failMsg": "", "costTime": 15000}, id="more fields"),
        pytest.param({"resultJson": results(None, URL, 3, "", "a b")}, id="a list with holes"),
        pytest.param({"resultUrls": [URL]}, id="a list of its own"),
    ],
)
def test_a_successful_task_has_its_links(data: dict[str, Any]) -> None:
    assert told(state="success", **data) == Completed((URL,))


def test_a_finished_task_says_what_it_took_by_its_providers_clock() -> None:
    state = told(state="success", resultJson=results(URL), createTime=1795341600000, completeTime=1795341621500)
    assert state == Completed((URL,), took_seconds=21.5)


@pytest.mark.parametrize("state", ["waiting", "success", "fail"])
def test_a_task_says_when_and_for_which_call_it_was_made_and_the_token_itself_stays_here(state: str) -> None:
    found = told(state=state, resultJson=results(URL), failMsg="no")
    assert not isinstance(found, NoAnswer)
    assert found.facts == TaskFacts(datetime(2026, 11, 22, 10, 0, tzinfo=UTC), token_digest("unguessableToken"))
    assert "unguessableToken" not in repr(found)


@pytest.mark.parametrize(
    "param", [None, "", "{", "[]", '"x"', "{}", '{"callBackUrl": 3}', '{"callBackUrl": ""}', "[" * 100_000, {}]
)
def test_a_task_whose_call_is_not_repeated_says_only_when_it_was_made(param: object) -> None:
    found = told(state="waiting", param=param)
    assert isinstance(found, StillRunning)
    assert found.facts == TaskFacts(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


@pytest.mark.parametrize("complete", [None, 0, 1795341599999, -5, "1795341621500", 1795341621.5, True, 10**30, [], {}])
def test_what_can_be_no_time_of_completion_is_not_believed(complete: object) -> None:
    assert told(state="success", resultJson=results(URL), createTime=1795341600000, completeTime=complete) == Completed(
        (URL,)
    )


@pytest.mark.parametrize(
    "result_json", [None, "", "garbage", "[]", "null", "{}", results(), results(None), '{"resultObject": {}}', 7]
)
def test_a_successful_task_without_a_link_has_no_result_yet(result_json: object) -> None:
    assert told(state="success", resultJson=result_json) == NoResultYet()


@pytest.mark.parametrize(
    ("fail_code", "fail_msg", "code", "again"),
    [
        ("400", "Your prompt violates our content policy", FailureCode.CONTENT_BLOCKED, False),
        ("400", "flagged by Website as violating content policies", FailureCode.CONTENT_BLOCKED, False),
        ("501", "The output was blocked by moderation", FailureCode.CONTENT_BLOCKED, False),
        ("501", "Content Moderation", FailureCode.CONTENT_BLOCKED, False),
        ("500", "The input or output was flagged as sensitive. (E005)", FailureCode.CONTENT_BLOCKED, False),
        ("500", "NSFW content detected", FailureCode.CONTENT_BLOCKED, False),
        ("CONTENT_MODERATION", "", FailureCode.CONTENT_BLOCKED, False),
        ("422", "sensitive content", FailureCode.CONTENT_BLOCKED, False),
        ("500", "input_urls file type not supported", FailureCode.INVALID_INPUT, False),
        ("500", "Failed to fetch image: HTTP 403", FailureCode.INVALID_INPUT, False),
        ("500", "Failed to fetch the image at input_urls[0]", FailureCode.INVALID_INPUT, False),
        ("500", "could not download image", FailureCode.INVALID_INPUT, False),
        ("500", "could not download the image", FailureCode.INVALID_INPUT, False),
        ("500", "Unsupported image format", FailureCode.UNSUPPORTED_MEDIA, False),
        ("500", "Reference image 1 cannot be decoded", FailureCode.UNSUPPORTED_MEDIA, False),
        ("500", "private/reserved IP addresses not allowed", FailureCode.INVALID_INPUT, False),
        ("422", "something else", FailureCode.INVALID_INPUT, False),
        ("500", "Internal Error, Please try again later.", FailureCode.PROVIDER_FAILED, True),
        ("501", "generation failed", FailureCode.PROVIDER_FAILED, True),
        ("", "", FailureCode.PROVIDER_FAILED, True),
        (None, None, FailureCode.PROVIDER_FAILED, True),
        (500, {"text": "x"}, FailureCode.PROVIDER_FAILED, True),
        (["x"], ["y"], FailureCode.PROVIDER_FAILED, True),
    ],
)
def test_a_failed_task_is_free_and_told_by_its_text_then_by_its_code(
    fail_code: object, fail_msg: object, code: FailureCode, again: bool
) -> None:
    state = told(state="fail", failCode=fail_code, failMsg=fail_msg)
    assert isinstance(state, TaskFailed)
    assert (state.failure.code, state.failure.retryable, state.failure.charged) == (code, again, Charged.NO)


def test_a_failure_repeats_the_providers_words_and_code() -> None:
    state = told(state="fail", failMsg="generation failed", failCode="501")
    assert isinstance(state, TaskFailed)
    assert state.failure.message == "the provider's task failed: generation failed (501)"


@pytest.mark.parametrize("code", [422, 501])
def test_a_failed_task_may_be_told_with_the_code_of_its_failure(code: int) -> None:
    state = told(code=code, state="fail", failMsg="generation failed", failCode=str(code))
    assert isinstance(state, TaskFailed)


@pytest.mark.parametrize("code", [401, 404, 429, 455, 500, 505])
@pytest.mark.parametrize("state", ["fail", "success", "generating"])
def test_no_other_code_says_how_a_task_is(code: int, state: str) -> None:
    assert isinstance(told(code=code, state=state, resultJson=results(URL)), NoAnswer)


@pytest.mark.parametrize("code", [422, 501])
@pytest.mark.parametrize("state", ["success", "generating"])
def test_the_code_of_a_failure_says_nothing_of_a_task_that_did_not_fail(code: int, state: str) -> None:
    assert isinstance(told(code=code, state=state, resultJson=results(URL)), NoAnswer)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, json={"code": 422, "msg": "recordInfo is null", "data": None}), id="not yet"),
        pytest.param(httpx.Response(404, json={"code": 404, "msg": "Task not found"}), id="404"),
        pytest.param(httpx.Response(401, json={"code": 401, "msg": "Unauthorized"}), id="401"),
        pytest.param(httpx.Response(500, json={"code": 500, "msg": "oops", "data": None}), id="500"),
        *(pytest.param(httpx.Response(status, html="<html>"), id=f"HTML {status}") for status in (502, 504, 522, 524)),
        pytest.param(httpx.Response(200, html="<html>"), id="HTML 200"),
        pytest.param(httpx.Response(200, content=b""), id="empty"),
        pytest.param(httpx.Response(200, content=b'{"code": 200, "data": {"state": "fai'), id="half a body"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": None}), id="no data"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": {"state": None}}), id="no state"),
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

    provider = Kie(BASE, lambda: KEY, transport=httpx.MockTransport(broken))
    assert provider.poll("task_1") == NoAnswer(f"the provider did not answer ({type(error).__name__})")


def test_a_key_that_can_not_be_had_says_nothing_about_the_task() -> None:
    def no_key() -> str:
        raise StorageFailed("the secret can't be read")

    assert isinstance(Kie(BASE, no_key).poll("task_1"), NoAnswer)


@pytest.mark.parametrize("key", ["", "short", f"{KEY}\nX-Injected: 1", f"Bearer {KEY}"])
def test_a_key_of_another_form_asks_nothing_and_is_not_told(key: str) -> None:
    def unreachable(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent with such a key")

    state = Kie(BASE, lambda: key, transport=httpx.MockTransport(unreachable)).poll("task_1")
    assert isinstance(state, NoAnswer)
    assert KEY[:8] not in repr(state)


@pytest.mark.parametrize("field", ["failMsg", "failCode"])
@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY}",
        f"key {KEY[:10]}…",
        "no image at /shoe.jpg?X-Amz-Signature=unguessable",
        f"callback to {CALLBACK} failed",
        {"url": CALLBACK, "key": KEY},
        PARAM,
        json.dumps(PARAM),
        "half \ud83c of a wave",
        "x" * 100_000,
    ],
)
def test_a_failure_is_fit_to_be_written_down(field: str, text: Any) -> None:
    raw = json.dumps({"code": 200, "data": {"state": "fail", "param": PARAM, field: text}})
    state = asked(httpx.Response(200, text=raw))
    assert isinstance(state, TaskFailed)
    assert "unguessable" not in state.failure.message
    assert KEY[:8] not in state.failure.message
    assert len(state.failure.message.encode()) < 700
    assert state.failure.model_dump_json()


@pytest.mark.parametrize("text", [f"the key {KEY} is wrong", f"no {CALLBACK}", "half \ud83c"])
@pytest.mark.parametrize("code", [401, 422, 500])
def test_no_unusable_answer_tells_a_key_or_where_to_call_back(text: str, code: int) -> None:
    state = asked(httpx.Response(200, text=json.dumps({"code": code, "msg": text, "data": {"param": PARAM}})))
    assert isinstance(state, NoAnswer)
    assert KEY[:8] not in state.reason
    assert "unguessable" not in state.reason
    assert state.reason.encode()


def test_a_question_names_the_task_and_shows_the_key() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"code": 200, "data": {"state": "waiting"}})

    Kie(f"{BASE}/", lambda: KEY, transport=httpx.MockTransport(reply)).poll("task 1&a=b")
    [request] = seen
    assert (request.method, request.content) == ("GET", b"")
    assert str(request.url).startswith(f"{BASE}/jobs/recordInfo?")
    assert list(request.url.params.multi_items()) == [("taskId", "task 1&a=b")]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("heliograph/")


def test_no_more_links_are_taken_than_the_workflow_can_carry() -> None:
    urls = [f"https://tempfile.aiquickdraw.com/s/{index}.png" for index in range(2_000)]
    assert told(state="success", resultJson=results(*urls)) == Completed(tuple(urls[:16]))


def test_a_connection_cut_in_the_middle_says_nothing_about_the_task() -> None:
    with saying(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"code": 200, "data": {"state": "fail"') as server:
        state = Kie(f"{server.origin}/api/v1", lambda: KEY).poll("task_1")
    assert isinstance(state, NoAnswer)


def test_a_vendor_that_is_away_says_nothing_about_the_task() -> None:
    assert isinstance(Kie(f"http://127.0.0.1:{free_port()}/api/v1", lambda: KEY).poll("task_1"), NoAnswer)
