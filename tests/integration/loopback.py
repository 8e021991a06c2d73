"""A server on a real socket of this machine that says exactly the bytes it is told to, once per connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PATIENCE_SECONDS = 10


@dataclass
class Loopback:
    """Where it listens, and each request that came, whole."""

    origin: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def saying(answer: bytes, *, connections: int = 1) -> Iterator[Loopback]:
    """Reads a whole request, sends `answer`, and closes; `b""` cuts the connection without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PATIENCE_SECONDS)
        loopback = Loopback(f"http://127.0.0.1:{server.getsockname()[1]}")
        serving = threading.Thread(target=_serve, args=(server, answer, connections, loopback.requests))
        serving.start()
        try:
            yield loopback
        finally:
            serving.join(_PATIENCE_SECONDS)
            assert not serving.is_alive()


def _serve(server: socket.socket, answer: bytes, connections: int, requests: list[bytes]) -> None:
    for _ in range(connections):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(_PATIENCE_SECONDS)
            requests.append(_request(connection))
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)


def _request(connection: socket.socket) -> bytes:
    received = b""
    while not _is_whole(received):
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return received


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and len(body) >= int(lengths[0] if lengths else 0)


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
