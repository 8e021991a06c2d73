"""An answer of a provider is bounded: in bytes, as sent and as unpacked, in memory, and in time."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import httpx
import pytest
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.providers.adapters import task_api
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.adapters.kie import Kie
from heliograph.providers.ports import ImageProvider
from heliograph.providers.protocol import Accepted, Completed, NoAnswer, Refused, TaskFailed, TaskRequest, Uncertain

KEY = "sk_madeUpForTheseTests1234"
REQUEST = TaskRequest("gpt-image-2-beta", "a red shoe", AspectRatio.SQUARE, False, ())
DONE = json.dumps({"code": 200, "data": {"state": "completed", "resultUrls": ["https://r2.test/1.jpeg"]}}).encode()
TASK = json.dumps({"code": 200, "data": {"taskId": "clx1", "state": "pending"}}).encode()
MB = 1024 * 1024


class Parts(httpx.SyncByteStream):
    """A body that is sent in parts, as real ones are."""

    def __init__(self, body: bytes, part_bytes: int = 256 * 1024) -> None:
        self._body = body
        self._part_bytes = part_bytes
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), self._part_bytes):
            self.sent += 1
            yield self._body[start : start + self._part_bytes]


def provider(answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> ApiModels:
    def reply(request: httpx.Request) -> httpx.Response:
        return answer(request) if callable(answer) else answer

    return ApiModels("https://api.test/v1", lambda: KEY, transport=httpx.MockTransport(reply))


def streamed(body: bytes, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=Parts(body))


def without_a_head(body: bytes) -> bytes:
    """Deflated, and neither zlib's head nor gzip's before it."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(DONE)),
        ("x-gzip", gzip.compress(DONE)),
        ("deflate", zlib.compress(DONE)),
        (" GZIP ", gzip.compress(DONE)),
        ("identity", DONE),
    ],
)
def test_an_answer_that_an_edge_encoded_all_the_same_is_read(coding: str, encoded: bytes) -> None:
    state = provider(streamed(encoded, content_encoding=coding)).poll("clx1")
    assert state == Completed(("https://r2.test/1.jpeg",))


def test_an_answer_is_wanted_as_it_is() -> None:
    seen: list[httpx.Headers] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return streamed(DONE)

    provider(reply).poll("clx1")
    assert seen[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("br", b"\x1b\x00\x00\x00"),
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(DONE)[:-30]),
        ("gzip, gzip", gzip.compress(gzip.compress(DONE))),
        ("deflate", without_a_head(DONE)),
    ],
)
def test_an_answer_that_can_not_be_read_says_nothing_about_the_task(coding: str, encoded: bytes) -> None:
    assert isinstance(provider(streamed(encoded, content_encoding=coding)).poll("clx1"), NoAnswer)


def test_a_create_call_whose_answer_can_not_be_read_may_have_made_a_task() -> None:
    assert isinstance(provider(streamed(TASK, content_encoding="br")).create(REQUEST), Uncertain)
    named = streamed(TASK, content_encoding="br", x_apimodels_task_id="clx9")
    assert provider(named).create(REQUEST) == Accepted("clx9")


def peak_bytes(answer: httpx.Response) -> int:
    asked = provider(answer)
    tracemalloc.start()
    try:
        assert isinstance(asked.poll("clx1"), NoAnswer)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("deflate", 15)])
def test_a_bomb_is_unpacked_no_further_than_an_answer_may_be(coding: str, wbits: int) -> None:
    deflater, megabyte = zlib.compressobj(wbits=wbits), bytes(MB)
    bomb = b"".join(deflater.compress(megabyte) for _ in range(300)) + deflater.flush()
    assert len(bomb) < 320 * 1024
    assert peak_bytes(streamed(bomb, content_encoding=coding)) < 8 * MB


def test_no_more_is_read_than_an_answer_may_have() -> None:
    body = Parts(b"x" * 100 * MB, part_bytes=MB // 4)
    assert isinstance(provider(httpx.Response(200, stream=body)).poll("clx1"), NoAnswer)
    assert body.sent == 5


NASTY = {
    "questions": "?" * 1_000_000,
    "questions in words": ("?" * 50_000 + " ") * 20,
    "questions that are none": "?a" * 500_000,
    "queries": "?a=" * 300_000,
    "callbacks": "callbacks" * 110_000,
    "callbacks and backslashes": "callbacks" + "\\" * 900_000,
    "callbacks, escaped again and again": "callbacks%" + "25" * 450_000,
    "keys": "sk_" * 300_000,
    "beginnings of the key": KEY[:8] * 120_000,
    "blanks": " " * 1_000_000,
    "quotes": "\"'<>" * 250_000,
    "control characters": "\x00\x1f" * 500_000,
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("shape", ["msg", "failMsg", "text"])
def test_a_text_takes_no_time_to_clean_however_long(name: str, shape: str) -> None:
    text = NASTY[name]
    match shape:
        case "msg":
            answer = streamed(json.dumps({"code": 400, "msg": text}, ensure_ascii=False).encode()[:MB], 400)
        case "failMsg":
            failed = {"code": 200, "data": {"state": "failed", "failMsg": text}}
            answer = streamed(json.dumps(failed, ensure_ascii=False).encode()[:MB])
        case _:
            answer = streamed(text.encode(), 400, content_type="text/plain")
    asked = provider(answer)
    began = time.process_time()

    outcome = asked.create(REQUEST) if answer.status_code == 400 else asked.poll("clx1")

    # Of CPU, and generous: what grew with the square of the text took an hour.
    assert time.process_time() - began < 5
    assert isinstance(outcome, Refused | TaskFailed | NoAnswer)
    if isinstance(outcome, Refused | TaskFailed):
        assert len(outcome.failure.message) < 400


OTHER_KEY = "00112233445566778899aabbccddeeff"
SECRETS = {
    "a key": OTHER_KEY,
    "a key that shows itself": KEY,
    "a link": "https://b.test/shoe.jpg?X-Amz-Credential=AKIA&X-Amz-Signature=5161",
    "a link whose signature comes late": "https://b.test/shoe.jpg?" + "credential" * 3 + "=madeUp",
    "a callback": "https://api.test/v1/callbacks/job_0123/unguessableToken",
    "an escaped callback": "https:%2F%2Fapi.test%2Fv1%2Fcallbacks%2Fjob_0123%2FunguessableToken",
}
TOLD_BY = ("0011", "madeUp", "X-Amz", "5161", "AKIA", "job_0123", "unguessable", "credential")


@pytest.mark.parametrize("name", SECRETS)
def test_a_cut_leaves_no_half_of_what_must_not_be_told(name: str) -> None:
    secret = SECRETS[name]
    for start in range(4096 - len(secret) - 3, 4096):
        # What comes before it shrinks to a few characters, so that the rest would be told.
        before = "https://b.test/a.png?x="
        text = f"{before}{'y' * (start - len(before) - 1)} {secret} and more {'x ' * 3000}"
        answer = streamed(json.dumps({"code": 422, "msg": text}).encode(), 422)
        asked = Kie("https://api.test/v1", lambda: OTHER_KEY, transport=httpx.MockTransport(lambda _, a=answer: a))
        outcome = asked.create(REQUEST)
        assert isinstance(outcome, Refused)
        assert "a.png?…" in outcome.failure.message
        assert not [part for part in TOLD_BY if part in outcome.failure.message], outcome.failure.message


@pytest.mark.parametrize("depth", [100, 900, 950, 980, 990, 1000, 5000])
def test_a_reason_that_is_nested_deeply_is_no_accident(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    answer = streamed(f'{{"code": 200, "data": {{"state": "failed", "failMsg": {nested}}}}}'.encode())
    assert isinstance(provider(answer).poll("clx1"), TaskFailed | NoAnswer)


def test_a_task_of_many_results_names_the_first_ones() -> None:
    links = [f"https://r2.test/{number}" for number in range(20_000)]
    answer = streamed(json.dumps({"code": 200, "data": {"state": "completed", "resultUrls": links}}).encode())
    state = provider(answer).poll("clx1")
    assert isinstance(state, Completed)
    assert state.result_urls == tuple(links[:16])


@pytest.mark.parametrize(("call", "seconds"), [("create", 150), ("poll", 25)])
@pytest.mark.parametrize("vendor", [ApiModels, Kie])
def test_a_call_has_a_time_limit_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, vendor: type[ApiModels | Kie], call: str, seconds: int
) -> None:
    monkeypatch.setattr(task_api, "monotonic", lambda: 1000.0)
    limits: list[float] = []

    def reply(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["give_up_at"])
        return streamed(DONE)

    asked: ImageProvider = vendor("https://api.test/v1", lambda: KEY, transport=httpx.MockTransport(reply))
    asked.create(REQUEST) if call == "create" else asked.poll("clx1")
    assert limits == [1000 + seconds]


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\x7f", "\x9b", "\x85", "\u2028", "\u202e", "\u2066", "\ufeff"])
def test_nothing_that_moves_a_terminal_is_kept_of_a_providers_text(letter: str) -> None:
    body = json.dumps({"code": 400, "msg": f"a{letter}[31mb"}).encode()
    outcome = provider(streamed(body, 400)).create(REQUEST)
    assert isinstance(outcome, Refused)
    assert "a [31mb" in outcome.failure.message
    assert outcome.failure.message.isprintable()
