"""The way of large answers, over real sockets of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest
from heliograph.platform.http_transport import LeanTransport

from tests.integration.certificates import Authority
from tests.integration.loopback import free_port, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def client() -> httpx.Client:
    return httpx.Client(transport=LeanTransport(httpx.create_ssl_context()))


def test_it_says_what_httpx_would_say_and_gives_back_what_was_answered() -> None:
    answer = b"HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nX-Name: caf\xe9\r\nX-Two: a\r\nX-Two: b\r\n\r\nhello"
    with saying(answer) as server:
        response = client().get(f"{server.origin}/a%20b?c=d", headers={"User-Agent": "us"})
    assert (response.status_code, response.content) == (418, b"hello")
    assert response.headers["x-name"] == "café"
    assert response.headers.get_list("x-two") == ["a", "b"]
    [request] = server.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a%20b?c=d HTTP/1.1"
    assert sorted(line for line in lines if line.lower().startswith("host")) == [
        f"Host: {server.origin.removeprefix('http://')}"
    ]
    assert "User-Agent: us" in lines


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.ReadError),
        (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 65_534, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nhello", httpx.RemoteProtocolError),
    ],
)
def test_what_is_no_answer_is_an_error_of_httpx(answer: bytes, error: type[httpx.HTTPError]) -> None:
    with saying(answer) as server, pytest.raises(error):
        client().get(server.origin)


def test_a_body_that_ends_early_is_an_error_of_httpx() -> None:
    with saying(OK[:-2]) as server, pytest.raises(httpx.RemoteProtocolError, match="2 bytes"):
        client().get(server.origin)


def test_nobody_there_is_an_error_of_httpx() -> None:
    with pytest.raises(httpx.ConnectError):
        client().get(f"http://127.0.0.1:{free_port()}")


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """Sends `head`, and then a byte at a time until nobody listens any more (or for two seconds)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(head)
                for _ in range(200):
                    connection.sendall(b"x")
                    threading.Event().wait(0.01)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            serving.join(10)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"])
def test_who_trickles_is_left_in_time_whatever_still_arrives(head: bytes) -> None:
    with trickling(head) as origin, pytest.raises(httpx.ReadTimeout):
        client().get(origin, extensions={"give_up_at": monotonic() + 0.2})


def test_only_who_shows_the_right_certificate_is_listened_to(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        context = authority.serving("localhost")

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(65536)
                        secured.sendall(OK)
                except OSError:  # it did not trust us
                    connection.close()

        serving = threading.Thread(target=serve)
        serving.start()
        trusting = httpx.Client(transport=LeanTransport(authority.trusting()))
        assert trusting.get(f"https://localhost:{port}").content == b"hello"
        with pytest.raises(httpx.ConnectError):
            client().get(f"https://localhost:{port}")
        serving.join(10)
