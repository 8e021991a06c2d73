"""One create call at the vendor: every answer of the upstream contract, and what it means for money."""

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
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.protocol import Accepted, CreateOutcome, Refused, TaskRequest, Uncertain

from tests.integration.loopback import free_port, saying

KEY = "sk_madeUpForTheseTests1234"
BASE = "https://api.apimodels.app/v1"
SIGNED = "https://uploads.s3.amazonaws.com/shoe.jpg?X-Amz-Credential=AKIA&X-Amz-Signature=5161"
CALLBACK = "https://abc.execute-api.us-east-1.amazonaws.com/live/v1/callbacks/job_0123/unguessableToken"
HTML = "<html><body>502 Bad Gateway</body></html>"
REQUEST = TaskRequest("gpt-image-2-beta", "a red shoe", AspectRatio.SQUARE, False, (SIGNED,))
TASK = {"code": 200, "msg": "success", "data": {"taskId": "clx1", "state": "pending"}}
HEADER = {"x-apimodels-task-id": "clx9"}

Reply = Callable[[httpx.Request], httpx.Response]


def vendor(reply: Reply, base: str = BASE) -> ApiModels:
    return ApiModels(base, lambda: KEY, transport=httpx.MockTransport(reply))


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


def body(code: int, msg: str = "no", **data: Any) -> dict[str, Any]:
    return {"code": code, "msg": msg, **data}


URLS = ("https://r2.apimodels.app/images/1.jpeg", "https://r2.apimodels.app/images/2.jpeg")


@pytest.mark.parametrize(
    ("response", "accepted"),
    [
        pytest.param(httpx.Response(200, json=TASK), Accepted("clx1"), id="as documented"),
        pytest.param(httpx.Response(200, json=TASK, headers=HEADER), Accepted("clx1"), id="the body before the header"),
        pytest.param(
            httpx.Response(200, json={"data": {"taskId": "clx1", "state": "pending"}}), Accepted("clx1"), id="no code"
        ),
        pytest.param(
            httpx.Response(200, json={"code": 200, "data": {"taskId": "c", "state": "completed", "resultUrls": URLS}}),
            Accepted("c", URLS),
            id="done at once",
        ),
        pytest.param(
            httpx.Response(
                200,
                json={
                    "code": 200,
                    "data": {
                        "taskId": "c",
                        "state": "completed",
                        "resultJson": json.dumps({"resultUrls": URLS}),
                    },
                },
            ),
            Accepted("c", URLS),
            id="done at once, by resultJson",
        ),
        pytest.param(
            httpx.Response(200, json={"code": 200, "data": {"taskId": "c", "state": "completed"}}),
            Accepted("c"),
            id="done at once without a result: asking will tell",
        ),
        pytest.param(
            httpx.Response(200, json={"code": 200, "data": {"taskId": "c", "state": "pending", "resultUrls": URLS}}),
            Accepted("c"),
            id="results of a task that is not done",
        ),
        pytest.param(
            httpx.Response(200, json={"code": 200, "data": {"taskId": "c", "state": "failed"}}),
            Accepted("c"),
            id="failed at once: asking will tell why",
        ),
        pytest.param(httpx.Response(200, json={"code": 200}, headers=HEADER), Accepted("clx9"), id="id in the header"),
        pytest.param(httpx.Response(200, content=b"", headers=HEADER), Accepted("clx9"), id="header, empty body"),
        pytest.param(httpx.Response(200, content=b"{", headers=HEADER), Accepted("clx9"), id="header, half a body"),
        pytest.param(httpx.Response(200, json=[1], headers=HEADER), Accepted("clx9"), id="header, body is a list"),
        pytest.param(httpx.Response(502, html=HTML, headers=HEADER), Accepted("clx9"), id="header, HTML 502"),
        pytest.param(httpx.Response(524, html=HTML, headers=HEADER), Accepted("clx9"), id="header, HTML 524"),
        pytest.param(httpx.Response(500, json=body(500), headers=HEADER), Accepted("clx9"), id="header, 500"),
        pytest.param(httpx.Response(200, json=body(505), headers=HEADER), Accepted("clx9"), id="header, code 505"),
        pytest.param(httpx.Response(429, json=body(429), headers=HEADER), Accepted("clx9"), id="header, 429"),
        pytest.param(
            httpx.Response(500, json={"code": 500, "data": {"taskId": "clx1"}}), Accepted("clx1"), id="id in a 500"
        ),
    ],
)
def test_a_task_that_is_named_was_made(response: httpx.Response, accepted: Accepted) -> None:
    assert created(response) == accepted


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, json={"code": 200, "msg": "success", "data": {}}), id="no task"),
        pytest.param(httpx.Response(200, json={"code": 200, "msg": "success", "data": None}), id="no data"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": {"taskId": ""}}), id="empty task id"),
        pytest.param(httpx.Response(200, json={"code": 200, "data": ["clx1"]}), id="data of another shape"),
        pytest.param(httpx.Response(200, content=b""), id="empty body"),
        pytest.param(httpx.Response(200, content=b'{"code": 200, "data": {"taskI'), id="half a body"),
        pytest.param(httpx.Response(200, html="<html>ok</html>"), id="HTML 200"),
        pytest.param(httpx.Response(200, json={"code": True}), id="a code that is no number"),
        pytest.param(httpx.Response(200, content=b"x" * 2_000_000), id="an endless body"),
        pytest.param(httpx.Response(201, json={"msg": "created"}), id="201"),
        pytest.param(httpx.Response(200, json=body(500)), id="code 500 on 200"),
        pytest.param(httpx.Response(200, json=body(505)), id="code 505 on 200"),
        pytest.param(httpx.Response(200, json=body(0)), id="code 0 on 200"),
        pytest.param(httpx.Response(200, json=body(-1)), id="code -1 on 200"),
        pytest.param(httpx.Response(408, json=body(408)), id="408"),
        pytest.param(httpx.Response(500, json=body(500)), id="500"),
        *(pytest.param(httpx.Response(status, html=HTML), id=f"HTML {status}") for status in (502, 504, 520, 522, 524)),
        pytest.param(httpx.Response(502, headers={"x-apimodels-task-id": ""}), id="empty header"),
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
        httpx.CloseError("x"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.DecodingError("x"),
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


def test_a_key_that_can_not_be_had_stops_the_call() -> None:
    def no_key() -> str:
        raise StorageFailed("the secret can't be read")

    def unreachable(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent without a key")

    outcome = ApiModels(BASE, no_key, transport=httpx.MockTransport(unreachable)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (outcome.failure.code, outcome.failure.retryable) == (FailureCode.ROUTE_UNAVAILABLE, True)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "sk_",
        "sk_short",
        "SK_madeUpForTheseTests1234",
        "pk_madeUpForTheseTests1234",
        "Bearer sk_madeUpForTheseTests1234",
        "sk_madeUpForThese Tests1234",
        "sk_madeUpForTheseTests1234\r\nX-Injected: 1",
        "sk_madeUpForTheseTests1234\n",
        "sk_madeUpForTheseTests123ü",
        "sk_madeUpForTheseTests123🔑",
        '{"key": "sk_madeUpForTheseTests1234"}',
    ],
)
def test_a_key_of_another_form_is_not_sent_and_not_told(key: str) -> None:
    def unreachable(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent with such a key")

    outcome = ApiModels(BASE, lambda: key, transport=httpx.MockTransport(unreachable)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.ROUTE_UNAVAILABLE, Charged.NO)
    assert not key or key not in repr(outcome)
    assert "madeUp" not in repr(outcome)


MODELS = "Invalid model: gpt-image-9. Supported models: a, b, c"
PRIVATE = "image_url: private/reserved IP addresses not allowed"
BLOCKED = "Your request violates our Content Policy"


@pytest.mark.parametrize(
    ("code", "text", "failure", "again"),
    [
        (400, "prompt is required", FailureCode.INVALID_INPUT, False),
        (400, MODELS, FailureCode.ROUTE_UNAVAILABLE, False),
        (400, PRIVATE, FailureCode.INVALID_INPUT, False),
        (400, BLOCKED, FailureCode.CONTENT_BLOCKED, False),
        (422, BLOCKED, FailureCode.CONTENT_BLOCKED, False),
        (422, "too many images", FailureCode.INVALID_INPUT, False),
        (401, "invalid api key", FailureCode.ROUTE_UNAVAILABLE, False),
        (402, "insufficient balance", FailureCode.ROUTE_UNAVAILABLE, False),
        (403, "forbidden", FailureCode.ROUTE_UNAVAILABLE, False),
        (404, "not found", FailureCode.ROUTE_UNAVAILABLE, False),
        (409, "conflict", FailureCode.PROVIDER_FAILED, False),
        (413, "too large", FailureCode.INVALID_INPUT, False),
        *(
            (code, text, failure, False)
            for code in (403, 404, 405, 409, 413, 418, 451)
            for text, failure in (
                (BLOCKED, FailureCode.CONTENT_BLOCKED),
                (PRIVATE, FailureCode.INVALID_INPUT),
                (MODELS, FailureCode.ROUTE_UNAVAILABLE),
            )
        ),
        *((code, BLOCKED, FailureCode.ROUTE_UNAVAILABLE, False) for code in (401, 402)),
        (429, BLOCKED, FailureCode.RATE_LIMITED, True),
        (429, "too many requests", FailureCode.RATE_LIMITED, True),
    ],
)
@pytest.mark.parametrize("status", ["its own", 200])
def test_a_refusal_is_certain_free_and_told_by_its_code(
    code: int, text: str, failure: FailureCode, again: bool, status: str | int
) -> None:
    outcome = refused(httpx.Response(status if isinstance(status, int) else code, json=body(code, text)))
    assert (outcome.failure.code, outcome.failure.retryable) == (failure, again)
    assert outcome.failure.charged is Charged.NO
    assert text in outcome.failure.message


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"code": 400, "msg": "say something"}, id="msg"),
        pytest.param({"error": {"message": "say something"}}, id="error.message"),
        pytest.param({"error": "say something"}, id="error"),
        pytest.param({"message": "say something"}, id="message"),
    ],
)
def test_the_reason_is_found_in_every_shape_of_error(document: dict[str, Any]) -> None:
    assert refused(httpx.Response(400, json=document)).failure.message.endswith(": say something")


def test_an_error_without_json_is_told_by_its_status() -> None:
    outcome = refused(httpx.Response(403, html=HTML))
    assert outcome.failure.message == "the provider refused us: HTTP 403, text/html; charset=utf-8 instead of JSON"


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (400, "prompt is required", FailureCode.INVALID_INPUT),
        (400, BLOCKED, FailureCode.CONTENT_BLOCKED),
        (404, MODELS, FailureCode.ROUTE_UNAVAILABLE),
        (409, PRIVATE, FailureCode.INVALID_INPUT),
        (429, "too many requests", FailureCode.RATE_LIMITED),
    ],
)
def test_an_error_in_plain_text_is_told_by_its_text(status: int, text: str, code: FailureCode) -> None:
    failure = refused(httpx.Response(status, text=text)).failure
    assert failure.code is code
    assert failure.message.endswith(f": {text}")


def test_plain_text_that_is_none_is_told_as_far_as_it_is() -> None:
    response = httpx.Response(400, content=b"no \xff\xfe image", headers={"content-type": "text/plain"})
    assert refused(response).failure.message.endswith(": no \ufffd\ufffd image")


@pytest.mark.parametrize("status", [500, 200])
def test_plain_text_leaves_what_is_uncertain_so(status: int) -> None:
    assert isinstance(created(httpx.Response(status, text=BLOCKED)), Uncertain)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "99999"}, 99999),
        ({"retry-after": "100000"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "+7"}, None),
        ({"retry-after": "7, 9"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
    ],
)
def test_the_providers_wish_to_wait_is_noted_where_it_is_a_number(headers: dict[str, str], seconds: int | None) -> None:
    assert refused(httpx.Response(429, json=body(429), headers=headers)).retry_after_seconds == seconds


NO_TASK_IDS = ["", " ", "clx 1", "clx1\n", "clx\x00", "clxü", "🌊", "\ud800", "x" * 257]


@pytest.mark.parametrize("task_id", NO_TASK_IDS)
def test_what_could_be_no_task_id_names_no_task(task_id: str) -> None:
    text = json.dumps({"code": 200, "data": {"taskId": task_id}})
    assert isinstance(created(httpx.Response(200, text=text)), Uncertain)
    assert created(httpx.Response(200, text=text, headers=HEADER)) == Accepted("clx9")


@pytest.mark.parametrize("task_id", [b"clx 1", b"clx\xfc", b"x" * 257])
def test_what_could_be_no_task_id_in_the_header_names_no_task(task_id: bytes) -> None:
    response = httpx.Response(502, headers=[(b"x-apimodels-task-id", task_id)], content=HTML.encode())
    assert isinstance(created(response), Uncertain)


@pytest.mark.parametrize("task_id", ["x", "x" * 256, "task/1?a=b&c#d%20", "".join(map(chr, range(0x21, 0x7F)))])
def test_any_printable_text_of_some_length_names_a_task(task_id: str) -> None:
    assert created(httpx.Response(200, json={"code": 200, "data": {"taskId": task_id}})) == Accepted(task_id)


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_results_that_are_nested_too_deeply_are_none_and_asking_will_tell(depth: int) -> None:
    data = {"taskId": "c", "state": "completed", "resultJson": "[" * depth}
    assert created(httpx.Response(200, json={"code": 200, "data": data})) == Accepted("c")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    seen: list[httpx.URL] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(status, headers={"location": "https://evil.acme.com/"})

    outcome = vendor(reply).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert (len(seen), outcome.failure.charged) == (1, Charged.NO)


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
    ("references", "field"),
    [
        ((), {}),
        (("https://a.acme.com/1",), {"image_url": "https://a.acme.com/1"}),
        (
            ("https://a.acme.com/2", "https://a.acme.com/1"),
            {"image_urls": ["https://a.acme.com/2", "https://a.acme.com/1"]},
        ),
        ((SIGNED,), {"image_url": SIGNED}),
    ],
)
@pytest.mark.parametrize("nsfw_checker", [True, False])
def test_a_create_call_sends_exactly_the_documented_fields(
    references: tuple[str, ...], field: dict[str, Any], nsfw_checker: bool
) -> None:
    request = sent(replace(REQUEST, reference_urls=references, nsfw_checker=nsfw_checker))
    assert json.loads(request.content) == {
        "model": "gpt-image-2-beta",
        "prompt": "a red shoe",
        "aspect_ratio": "1:1",
        "nsfw_checker": nsfw_checker,
        **field,
    }


def test_a_callback_url_is_sent_where_there_is_one() -> None:
    assert json.loads(sent(replace(REQUEST, callback_url=CALLBACK)).content) == {
        **json.loads(sent().content),
        "callback_url": CALLBACK,
    }


@pytest.mark.parametrize("ratio", AspectRatio)
def test_every_ratio_is_sent_as_the_product_page_writes_it(ratio: AspectRatio) -> None:
    assert json.loads(sent(replace(REQUEST, aspect_ratio=ratio)).content)["aspect_ratio"] == ratio.value


def test_a_prompt_is_sent_in_its_own_script() -> None:
    assert json.loads(sent(replace(REQUEST, prompt="夕暮れ 🌊")).content)["prompt"] == "夕暮れ 🌊"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.apimodels.app/v1", "https://api.apimodels.app/v1/images/generations"),
        ("https://api.apimodels.app/v1/", "https://api.apimodels.app/v1/images/generations"),
        ("https://apimodels.app/api/v1", "https://apimodels.app/api/v1/images/generations"),
    ],
)
def test_both_bases_lead_to_the_endpoint(base: str, url: str) -> None:
    request = sent(base=base)
    assert (request.method, str(request.url)) == ("POST", url)


def test_a_create_call_shows_its_key_and_who_we_are() -> None:
    headers = sent().headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["user-agent"].startswith("heliograph/")
    assert headers["content-type"] == "application/json"


def test_the_key_is_asked_for_at_every_call() -> None:
    keys = iter(["sk_theFormerOneOfThese1234", "sk_theLatterOneOfThese1234"])
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=TASK)

    provider = ApiModels(BASE, lambda: next(keys), transport=httpx.MockTransport(reply))
    provider.create(REQUEST)
    provider.create(REQUEST)
    assert seen == ["Bearer sk_theFormerOneOfThese1234", "Bearer sk_theLatterOneOfThese1234"]


@pytest.mark.parametrize("code", [400, 401, 429])
@pytest.mark.parametrize(
    "text",
    [
        f"can't fetch {SIGNED}",
        f"can't fetch '{SIGNED}' now",
        f'("{SIGNED}")',
        f"<img src={SIGNED}>",
        SIGNED,
        SIGNED.upper().replace("SHOE.JPG", "shoe.jpg"),
        SIGNED.removeprefix("https:"),
        SIGNED.removeprefix("https://uploads.s3.amazonaws.com"),
        SIGNED.replace("https://", "s3://"),
        SIGNED.replace("/", "\\/"),
        SIGNED.replace("?", "?x&"),
        f"{SIGNED} and {SIGNED}",
    ],
)
def test_no_message_repeats_what_signs_a_link(code: int, text: str) -> None:
    message = refused(httpx.Response(code, json=body(code, text))).failure.message
    assert "shoe.jpg" in message
    assert "x-amz" not in message.lower()
    assert "5161" not in message


@pytest.mark.parametrize("code", [400, 401, 429, 500])
@pytest.mark.parametrize(
    "text",
    [
        f"can't call {CALLBACK}",
        f"can't call '{CALLBACK}' now",
        CALLBACK.removeprefix("https://abc.execute-api.us-east-1.amazonaws.com"),
        CALLBACK.replace("/", "\\/"),
        CALLBACK.replace("/", "%2F"),
        json.dumps({"callback_url": CALLBACK}),
        f"{CALLBACK}?again=1",
    ],
)
def test_no_outcome_tells_where_to_call_back(code: int, text: str) -> None:
    told = repr(created(httpx.Response(code, json=body(code, text))))
    assert "callbacks/…" in told
    assert "unguessable" not in told
    assert "job_0123" not in told


def test_a_question_is_no_query() -> None:
    assert refused(httpx.Response(400, json=body(400, "why? x = 1"))).failure.message.endswith(": why? x = 1")


@pytest.mark.parametrize("text", [KEY, f"the key {KEY} is wrong", f"Bearer {KEY}", f"key='{KEY}'", f"{KEY[:12]}..."])
@pytest.mark.parametrize("shape", ["msg", "message", "error", "text"])
def test_no_message_repeats_a_key(text: str, shape: str) -> None:
    response = httpx.Response(401, text=text) if shape == "text" else httpx.Response(401, json={shape: text})
    message = refused(response).failure.message
    assert "sk_…" in message
    assert "madeUp" not in message


@pytest.mark.parametrize("shape", ["msg", "message", "error"])
@pytest.mark.parametrize("text", ["half \ud83c of a wave", "\udf0a", "\ud800" * 400])
def test_every_message_can_be_written_down(shape: str, text: str) -> None:
    outcome = refused(httpx.Response(400, text=json.dumps({"code": 400, shape: text})))
    assert outcome.failure.message.encode()
    assert outcome.failure.model_dump_json()


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: httpx.Response(401, json=body(401, "invalid api key")),
        lambda _: httpx.Response(500, json=body(500, f"could not load {SIGNED}")),
        lambda _: httpx.Response(502, html=HTML),
        breaking(httpx.ReadTimeout(f"timed out: {SIGNED} {KEY}")),
        breaking(httpx.ConnectError(f"refused: {SIGNED} {KEY}")),
    ],
)
def test_no_outcome_tells_the_key_or_what_signs_a_link(reply: Reply) -> None:
    told = repr(vendor(reply).create(REQUEST))
    assert KEY not in told
    assert "X-Amz" not in told


def test_a_long_message_is_cut() -> None:
    message = refused(httpx.Response(400, json=body(400, "xy " * 100_000))).failure.message
    assert message.endswith(": " + "xy " * 100)


def test_a_long_plain_text_is_cut() -> None:
    assert len(refused(httpx.Response(400, text="x" * 100_000)).failure.message) < 400


@pytest.mark.parametrize("cut_after", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_connection_cut_after_the_request_was_read_is_uncertain(cut_after: bytes) -> None:
    with saying(cut_after) as server:
        outcome = ApiModels(f"{server.origin}/v1", lambda: KEY).create(REQUEST)
    assert isinstance(outcome, Uncertain)
    assert b"a red shoe" in server.requests[0]


@pytest.mark.parametrize(("header", "expected"), [(b"x-apimodels-task-id: clx9\r\n", Accepted("clx9")), (b"", None)])
def test_a_body_cut_short_leaves_the_header_to_tell(header: bytes, expected: Accepted | None) -> None:
    with saying(b"HTTP/1.1 200 OK\r\n" + header + b'Content-Length: 900\r\n\r\n{"code": 200, "da') as server:
        outcome = ApiModels(f"{server.origin}/v1", lambda: KEY).create(REQUEST)
    assert outcome == expected if expected else isinstance(outcome, Uncertain)


def test_a_port_at_which_nobody_listens_is_a_refusal() -> None:
    outcome = ApiModels(f"http://127.0.0.1:{free_port()}/v1", lambda: KEY).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert outcome.failure.retryable


def test_every_call_has_a_connection_of_its_own() -> None:
    answer = json.dumps(TASK).encode()
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
    with saying(whole, connections=2) as server:
        provider = ApiModels(f"{server.origin}/v1", lambda: KEY)
        assert [provider.create(REQUEST), provider.create(REQUEST)] == [Accepted("clx1")] * 2
    assert len(server.requests) == 2
