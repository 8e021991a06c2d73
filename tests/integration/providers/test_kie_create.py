"""One create call at kie.ai: every answer it is known to give, and what it means for money."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.providers.adapters.kie import Kie
from heliograph.providers.protocol import Accepted, CreateOutcome, Refused, TaskRequest, Uncertain

from tests.integration.loopback import free_port, saying

KEY = "00112233445566778899aabbccddeeff"
BASE = "https://api.kie.ai/api/v1"
SIGNED = "https://uploads.s3.amazonaws.com/shoe.jpg?X-Amz-Credential=AKIA&X-Amz-Signature=5161"
CALLBACK = "https://abc.execute-api.us-east-1.amazonaws.com/live/v1/callbacks/job_0123/unguessableToken"
HTML = "<html><body>502 Bad Gateway</body></html>"
REQUEST = TaskRequest("gpt-image-2", "a red shoe", AspectRatio.SQUARE, False, (SIGNED,), CALLBACK)
TASK = {"code": 200, "msg": "success", "data": {"taskId": "task_gptimage_1"}}

Reply = Callable[[httpx.Request], httpx.Response]


def vendor(reply: Reply, base: str = BASE) -> Kie:
    return Kie(base, lambda: KEY, transport=httpx.MockTransport(reply))


def created(response: httpx.Response) -> CreateOutcome:
    return vendor(lambda _: response).create(REQUEST)


def refused(response: httpx.Response) -> Refused:
    outcome = created(response)
    assert isinstance(outcome, Refused)
    return outcome


def breaking(error: Exception) -> Reply:
    def reply(_: httpx.Request) -> httpx.Response:
        raise error

    return reply


def unreachable(_: httpx.Request) -> httpx.Response:
    raise AssertionError("nothing may be sent")


def body(code: int, msg: str = "no", data: Any = None) -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": data}


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, json=TASK), id="as documented"),
        pytest.param(httpx.Response(200, json={**TASK, "msg": None, "message": "success"}), id="message for msg"),
        pytest.param(httpx.Response(200, json={"data": TASK["data"]}), id="no code"),
        *(
            pytest.param(httpx.Response(200, json=body(code, data=TASK["data"])), id=f"id with code {code}")
            for code in (422, 455, 500, 501, 505)
        ),
        pytest.param(httpx.Response(500, json=body(500, data=TASK["data"])), id="id with HTTP 500"),
        pytest.param(
            httpx.Response(200, json=body(200, data={"taskId": "task_gptimage_1", "state": "success"})),
            id="done at once: asking will tell",
        ),
    ],
)
def test_a_task_that_is_named_was_made(response: httpx.Response) -> None:
    assert created(response) == Accepted("task_gptimage_1")


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, json=body(200, "success")), id="no data"),
        pytest.param(httpx.Response(200, json=body(200, data={})), id="no task"),
        pytest.param(httpx.Response(200, json=body(200, data={"taskId": ""})), id="empty task id"),
        pytest.param(httpx.Response(200, json=body(200, data=["task_1"])), id="data of another shape"),
        pytest.param(httpx.Response(200, content=b""), id="empty body"),
        pytest.param(httpx.Response(200, content=b'{"code": 200, "data": {"taskI'), id="half a body"),
        pytest.param(httpx.Response(200, html="<html>ok</html>"), id="HTML 200"),
        pytest.param(httpx.Response(200, content=b"x" * 2_000_000), id="an endless body"),
        pytest.param(httpx.Response(200, json=body(500, "Server exception")), id="code 500 on 200"),
        pytest.param(httpx.Response(200, json=body(501, "generation failed")), id="code 501 on 200"),
        pytest.param(httpx.Response(200, json=body(503)), id="code 503 on 200"),
        pytest.param(httpx.Response(200, json=body(0)), id="code 0 on 200"),
        pytest.param(httpx.Response(200, json={"code": "422", "msg": "no"}), id="a code that is no number"),
        pytest.param(httpx.Response(500, json=body(500)), id="500"),
        pytest.param(httpx.Response(501, json=body(501)), id="501"),
        pytest.param(httpx.Response(408, json=body(408)), id="408"),
        pytest.param(httpx.Response(505, html=HTML), id="505 that the application did not say"),
        pytest.param(httpx.Response(505, json={"msg": "no"}), id="505 without a code in the body"),
        pytest.param(httpx.Response(505, text="Feature disabled"), id="505 in plain text"),
        pytest.param(httpx.Response(503, text="content policy"), id="503 whatever its text"),
        *(pytest.param(httpx.Response(status, html=HTML), id=f"HTML {status}") for status in (502, 504, 520, 522, 524)),
        pytest.param(httpx.Response(500, headers={"x-apimodels-task-id": "clx1"}), id="another vendor's header"),
    ],
)
def test_an_answer_that_leaves_it_open_is_uncertain(response: httpx.Response) -> None:
    assert isinstance(created(response), Uncertain)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("broken pipe"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_call_that_ended_without_an_answer_is_uncertain(error: Exception) -> None:
    outcome = vendor(breaking(error)).create(REQUEST)
    assert outcome == Uncertain(f"the call ended without an answer ({type(error).__name__})")


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")],
    ids=lambda error: type(error).__name__,
)
def test_a_call_that_never_left_is_refused_free_and_worth_another_try(error: Exception) -> None:
    outcome = vendor(breaking(error)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (outcome.failure.code, outcome.failure.retryable) == (FailureCode.ROUTE_UNAVAILABLE, True)
    assert outcome.failure.charged is Charged.NO


BLOCKED = "Your prompt was flagged by Website as violating content policies"
FILE_TYPE = "input_urls file type not supported"
NO_MODEL = "The model name you specified is not supported"


@pytest.mark.parametrize(
    ("code", "text", "failure", "again"),
    [
        (400, "prompt is required", FailureCode.INVALID_INPUT, False),
        (400, BLOCKED, FailureCode.CONTENT_BLOCKED, False),
        (401, "You do not have access permissions", FailureCode.ROUTE_UNAVAILABLE, False),
        (402, "Insufficient credits", FailureCode.ROUTE_UNAVAILABLE, False),
        (403, "forbidden", FailureCode.ROUTE_UNAVAILABLE, False),
        (404, "not found", FailureCode.ROUTE_UNAVAILABLE, False),
        (409, "conflict", FailureCode.PROVIDER_FAILED, False),
        (413, "too large", FailureCode.INVALID_INPUT, False),
        (422, "aspect_ratio is not within the range of allowed options", FailureCode.INVALID_INPUT, False),
        (422, FILE_TYPE, FailureCode.INVALID_INPUT, False),
        (422, BLOCKED, FailureCode.CONTENT_BLOCKED, False),
        (422, NO_MODEL, FailureCode.ROUTE_UNAVAILABLE, False),
        (429, "Rate limit exceeded", FailureCode.RATE_LIMITED, True),
        (433, "sub-key usage exceeds limit", FailureCode.ROUTE_UNAVAILABLE, False),
        (455, "Service Unavailable", FailureCode.ROUTE_UNAVAILABLE, True),
        (505, "Feature disabled", FailureCode.ROUTE_UNAVAILABLE, False),
        # These mean what they mean, whatever text comes with them.
        *((code, BLOCKED, FailureCode.ROUTE_UNAVAILABLE, False) for code in (401, 402, 433, 505)),
        (429, BLOCKED, FailureCode.RATE_LIMITED, True),
        (455, BLOCKED, FailureCode.ROUTE_UNAVAILABLE, True),
    ],
)
@pytest.mark.parametrize("status", ["its own", 200])
def test_a_refusal_is_certain_free_and_told_by_its_code(
    code: int, text: str, failure: FailureCode, again: bool, status: str | int
) -> None:
    outcome = refused(httpx.Response(status if isinstance(status, int) else code, json=body(code, text)))
    assert (outcome.failure.code, outcome.failure.retryable) == (failure, again)
    assert outcome.failure.charged is Charged.NO
    assert outcome.failure.message.endswith(f": {text}")


def test_the_bodys_code_counts_before_the_status() -> None:
    assert refused(httpx.Response(502, json=body(402))).failure.code is FailureCode.ROUTE_UNAVAILABLE
    assert isinstance(created(httpx.Response(402, json=body(500))), Uncertain)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 455])
def test_a_refusal_of_the_edge_is_one_too(status: int) -> None:
    outcome = refused(httpx.Response(status, html=HTML))
    assert outcome.failure.message.endswith(f": HTTP {status}, text/html; charset=utf-8 instead of JSON")


@pytest.mark.parametrize(("headers", "seconds"), [({}, None), ({"retry-after": "7"}, 7), ({"retry-after": "x"}, None)])
def test_the_providers_wish_to_wait_is_noted_where_it_is_a_number(headers: dict[str, str], seconds: int | None) -> None:
    assert refused(httpx.Response(429, json=body(429), headers=headers)).retry_after_seconds == seconds


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    seen: list[httpx.URL] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(status, headers={"location": "https://evil.acme.com/"})

    outcome = vendor(reply).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (len(seen), outcome.failure.charged) == (1, Charged.NO)


def test_a_key_that_can_not_be_had_stops_the_call() -> None:
    def no_key() -> str:
        raise StorageFailed("the secret can't be read")

    outcome = Kie(BASE, no_key, transport=httpx.MockTransport(unreachable)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (outcome.failure.code, outcome.failure.retryable) == (FailureCode.ROUTE_UNAVAILABLE, True)


@pytest.mark.parametrize(
    "key",
    ["", KEY[:15], KEY * 5, f"Bearer {KEY}", f"{KEY} ", f"{KEY}\n", f"{KEY}\r\nX-Injected: 1", f"{KEY}ü", f'"{KEY}"'],
)
def test_a_key_of_another_form_is_not_sent_and_not_told(key: str) -> None:
    outcome = Kie(BASE, lambda: key, transport=httpx.MockTransport(unreachable)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.ROUTE_UNAVAILABLE, Charged.NO)
    assert KEY[:8] not in repr(outcome)


@pytest.mark.parametrize("key", [KEY, KEY[:16], KEY * 4, "kie_Made-up_0123456789", "sk-madeUpForTheseTests12"])
def test_a_key_of_any_plausible_form_is_sent(key: str) -> None:
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=TASK)

    assert isinstance(Kie(BASE, lambda: key, transport=httpx.MockTransport(reply)).create(REQUEST), Accepted)
    assert seen == [f"Bearer {key}"]


def sent(request: TaskRequest = REQUEST, base: str = BASE) -> httpx.Request:
    """What a create call sends."""
    seen: list[httpx.Request] = []

    def reply(incoming: httpx.Request) -> httpx.Response:
        seen.append(incoming)
        return httpx.Response(200, json=TASK)

    vendor(reply, base).create(request)
    [only] = seen
    return only


@pytest.mark.parametrize(
    ("references", "model", "field"),
    [
        ((), "gpt-image-2-text-to-image", {}),
        ((SIGNED,), "gpt-image-2-image-to-image", {"input_urls": [SIGNED]}),
        (
            ("https://a.acme.com/2", "https://a.acme.com/1"),
            "gpt-image-2-image-to-image",
            {"input_urls": ["https://a.acme.com/2", "https://a.acme.com/1"]},
        ),
    ],
)
@pytest.mark.parametrize("nsfw_checker", [True, False])
def test_a_create_call_sends_exactly_the_documented_fields(
    references: tuple[str, ...], model: str, field: dict[str, Any], nsfw_checker: bool
) -> None:
    request = sent(replace(REQUEST, reference_urls=references, nsfw_checker=nsfw_checker))
    assert json.loads(request.content) == {
        "model": model,
        "callBackUrl": CALLBACK,
        "input": {
            "prompt": "a red shoe",
            "aspect_ratio": "1:1",
            "resolution": "1K",
            "nsfw_checker": nsfw_checker,
            **field,
        },
    }


def test_without_a_callback_url_none_is_sent() -> None:
    assert "callBackUrl" not in json.loads(sent(replace(REQUEST, callback_url=None)).content)


@pytest.mark.parametrize("ratio", AspectRatio)
def test_every_ratio_is_sent_as_it_is_written(ratio: AspectRatio) -> None:
    assert json.loads(sent(replace(REQUEST, aspect_ratio=ratio)).content)["input"]["aspect_ratio"] == ratio.value


@pytest.mark.parametrize("base", [BASE, f"{BASE}/"])
def test_a_create_call_goes_to_the_endpoint_with_its_key_and_says_who_we_are(base: str) -> None:
    request = sent(base=base)
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/jobs/createTask")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("heliograph/")
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("code", [401, 422, 500, 505])
@pytest.mark.parametrize(
    "text",
    [
        f"the key {KEY} is wrong",
        f"Bearer {KEY}",
        f"{KEY[:12]}...",
        f"KEY={KEY.upper()}",
        f"can't fetch {SIGNED}",
        f"can't call {CALLBACK}",
        json.dumps({"model": "gpt-image-2", "callBackUrl": CALLBACK}),
        json.dumps(json.dumps({"callBackUrl": CALLBACK}).replace("/", "\\/")),
        CALLBACK.replace("/", "%2F"),
        CALLBACK.replace("/", "%252f"),
        CALLBACK.replace("/", "\\u002f"),
        CALLBACK.removeprefix("https://abc.execute-api.us-east-1.amazonaws.com"),
        CALLBACK.upper(),
        f"{CALLBACK}?again=1",
        "x" * 290 + CALLBACK,
    ],
)
def test_no_outcome_tells_a_key_a_signature_or_where_to_call_back(code: int, text: str) -> None:
    told = repr(created(httpx.Response(200, json=body(code, text)))).lower()
    assert KEY[:8] not in told
    assert "x-amz" not in told
    assert "unguessable" not in told
    assert "job_0123" not in told


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: httpx.Response(401, text=f"{KEY} {CALLBACK} {SIGNED}"),
        breaking(httpx.ReadTimeout(f"timed out: {SIGNED} {KEY} {CALLBACK}")),
        breaking(httpx.ConnectError(f"refused: {SIGNED} {KEY} {CALLBACK}")),
    ],
)
def test_no_call_that_went_wrong_tells_them_either(reply: Reply) -> None:
    told = repr(vendor(reply).create(REQUEST))
    assert KEY[:8] not in told
    assert "X-Amz" not in told
    assert "unguessable" not in told


def test_a_message_about_callbacks_stays_one() -> None:
    text = "no callbacks today, see callbacks.md"
    assert refused(httpx.Response(422, json=body(422, text))).failure.message.endswith(f": {text}")


def test_a_long_message_is_cut() -> None:
    assert len(refused(httpx.Response(422, json=body(422, "x" * 100_000))).failure.message) < 400


def test_a_connection_cut_after_the_request_was_read_is_uncertain() -> None:
    with saying(b"HTTP/1.1 200 OK\r\nContent-Le") as server:
        outcome = Kie(f"{server.origin}/api/v1", lambda: KEY).create(REQUEST)
    assert isinstance(outcome, Uncertain)
    assert b"a red shoe" in server.requests[0]


@pytest.mark.parametrize("part", [b'{"code": 422, "ms', b'{"code": 422, "msg": "no"}'])
def test_a_body_cut_short_is_uncertain_even_if_what_arrived_can_be_read(part: bytes) -> None:
    with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + part) as server:
        assert isinstance(Kie(f"{server.origin}/api/v1", lambda: KEY).create(REQUEST), Uncertain)


def test_a_port_at_which_nobody_listens_is_a_refusal() -> None:
    outcome = Kie(f"http://127.0.0.1:{free_port()}/api/v1", lambda: KEY).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert outcome.failure.retryable
