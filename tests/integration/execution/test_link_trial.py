"""Links are tried with one small request, and only a refusal counts."""

from __future__ import annotations

import pytest
from heliograph.execution.adapters.link_trial import HttpLinkTrial

from tests.integration.loopback import free_port, saying


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".encode()


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "400 Bad Request", "410 Gone"])
def test_a_link_that_is_refused_is_told_with_the_status(status: str) -> None:
    with saying(answer(status)) as host:
        assert HttpLinkTrial().refusal(f"{host.origin}/a.png?X-Amz-Signature=0") == f"HTTP {status[:3]}"


@pytest.mark.parametrize(
    "status", ["206 Partial Content", "200 OK", "307 Moved", "416 Range Not Satisfiable", "429 Slow", "503 Slow Down"]
)
def test_any_other_answer_is_no_refusal(status: str) -> None:
    with saying(answer(status)) as host:
        assert HttpLinkTrial().refusal(f"{host.origin}/a.png") is None


def test_one_byte_is_asked_for() -> None:
    with saying(answer("206 Partial Content")) as host:
        HttpLinkTrial().refusal(f"{host.origin}/a%2Bb/c.png?versionId=1")
    [request] = host.requests
    assert request.startswith(b"GET /a%2Bb/c.png?versionId=1 HTTP/1.1\r\n")
    assert b"range: bytes=0-0" in request.lower()
    assert b"authorization" not in request.lower()


def test_without_an_answer_nobody_can_tell() -> None:
    assert HttpLinkTrial().refusal(f"http://127.0.0.1:{free_port()}/a.png") is None
    with saying(b"") as host:
        assert HttpLinkTrial().refusal(f"{host.origin}/a.png") is None
