"""Calls of hosts outside AWS, over real sockets of this machine."""

from __future__ import annotations

import importlib
import logging
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic

import httpx
import pytest
from heliograph.platform.http_transport import BoundedTransport

from tests.integration.certificates import Authority
from tests.integration.loopback import free_port, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def client() -> httpx.Client:
    return httpx.Client(transport=BoundedTransport(httpx.create_ssl_context()))


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
        (b"", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nhello", httpx.RemoteProtocolError),
    ],
)
def test_what_is_no_answer_is_an_error_of_httpx(answer: bytes, error: type[httpx.HTTPError]) -> None:
    with saying(answer) as server, pytest.raises(error):
        client().get(server.origin)


def test_a_body_that_ends_early_is_an_error_of_httpx() -> None:
    with saying(OK[:-2]) as server, pytest.raises(httpx.RemoteProtocolError, match="received 3 bytes, expected 5"):
        client().get(server.origin)


def test_nobody_there_is_an_error_of_httpx() -> None:
    with pytest.raises(httpx.ConnectError):
        client().get(f"http://127.0.0.1:{free_port()}")


# Each serves one caller for two seconds, at most.
def trickle(connection: socket.socket, head: bytes) -> None:
    """`head`, then a byte at a time."""
    connection.recv(65536)
    connection.sendall(head)
    for _ in range(200):
        connection.sendall(b"x")
        threading.Event().wait(0.01)


def be_silent(connection: socket.socket) -> None:
    """Nothing, until the caller hangs up."""
    while connection.recv(65536):
        pass


def read_a_little_at_a_time(connection: socket.socket) -> None:
    """Takes some of what is sent, again and again, for as long as half a second."""
    ends_at = monotonic() + 0.5
    while monotonic() < ends_at:
        connection.recv(262_144)
        threading.Event().wait(0.01)


@contextmanager
def slow_host(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Somebody who answers one caller so; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.settimeout(2)
                behave(connection)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield server.getsockname()[1]
        finally:
            serving.join(10)


def in_time() -> dict[str, float]:
    """Far below the time-out of every step."""
    return {"give_up_at": monotonic() + 0.2}


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"]
)
def test_a_host_that_trickles_is_left_in_time_whatever_still_arrives(head: bytes) -> None:
    with slow_host(partial(trickle, head=head)) as port, pytest.raises(httpx.ReadTimeout):
        client().get(f"http://127.0.0.1:{port}", extensions=in_time())


def test_a_host_that_says_nothing_is_left_in_time() -> None:
    with slow_host(be_silent) as port, pytest.raises(httpx.ReadTimeout):
        client().get(f"http://127.0.0.1:{port}", extensions=in_time())


def test_a_host_that_hardly_reads_is_left_in_time() -> None:
    with slow_host(read_a_little_at_a_time) as port, pytest.raises(httpx.WriteTimeout):
        client().post(f"http://127.0.0.1:{port}", content=bytes(50_000_000), extensions=in_time())


def test_a_host_that_never_finishes_its_handshake_is_left_in_time() -> None:
    with slow_host(be_silent) as port, pytest.raises(httpx.ConnectTimeout):
        client().get(f"https://127.0.0.1:{port}", extensions=in_time())


def test_a_call_whose_time_is_over_is_not_made() -> None:
    with pytest.raises(httpx.ConnectTimeout):
        client().get(f"http://127.0.0.1:{free_port()}", extensions={"give_up_at": monotonic() - 1})


def test_calls_at_the_same_time_have_ends_of_their_own() -> None:
    shared = client()
    with slow_host(be_silent) as slow, saying(OK) as quick, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(shared.get, f"http://127.0.0.1:{slow}", extensions=in_time())
        assert shared.get(quick.origin, extensions={"give_up_at": monotonic() + 10}).content == b"hello"
        with pytest.raises(httpx.ReadTimeout):
            waiting.result()


def test_no_connection_is_kept() -> None:
    hung_up: list[bool] = []

    def answer_and_wait(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")
        hung_up.append(connection.recv(1) == b"")

    with client() as kept_open, slow_host(answer_and_wait) as port:
        assert kept_open.get(f"http://127.0.0.1:{port}").content == b"hello"
    assert hung_up == [True]


def test_a_call_is_in_no_log_however_much_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    importlib.import_module("heliograph.monitoring.logging")
    caplog.set_level(logging.DEBUG)
    with saying(OK) as server:
        client().get(f"{server.origin}/1.png?signature=secret")
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]


def test_a_large_answer_over_tls_arrives_whole_and_in_pieces(tmp_path: Path) -> None:
    authority, body = Authority(tmp_path), random.Random(7).randbytes(3_000_000)
    context = authority.serving("localhost")

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body)

    trusting = httpx.Client(transport=BoundedTransport(authority.trusting()))
    with slow_host(answer) as port, trusting.stream("GET", f"https://localhost:{port}") as response:
        pieces = list(response.iter_raw())
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 256 * 1024


def test_an_answer_of_no_length_that_is_cut_off_is_not_taken_for_whole() -> None:
    def cut_off(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with slow_host(cut_off) as port, pytest.raises(httpx.ReadError):
        client().get(f"http://127.0.0.1:{port}")


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
        trusting = httpx.Client(transport=BoundedTransport(authority.trusting()))
        assert trusting.get(f"https://localhost:{port}").content == b"hello"
        with pytest.raises(httpx.ConnectError):
            client().get(f"https://localhost:{port}")
        serving.join(10)
