"""Large answers through httpx at the standard library's price, a fraction of its own way's: docs/performance.md."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import TYPE_CHECKING, cast

import httpx

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# How much of an answer is in memory.
_READ_BYTES = 256 * 1024


class LeanTransport(httpx.BaseTransport):
    """One connection for each request, closed with its answer. Of a request's time-outs: `connect` and `read`.

    The request's extension `give_up_at` (of the monotonic clock) ends it whatever still arrives, also of its head.
    What goes wrong is raised as httpx's own errors, also a body that is shorter than announced.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Returns as soon as the head of the answer is there."""
        connection = self._connection(request)
        connected = _connect(connection)
        try:
            with _translated():
                connection.sock = cast(socket.socket, _Bounded(connected, request))
                answer = _ask(request, connection)
        except BaseException:
            connected.close()
            raise
        # As bytes: httpx takes text for ASCII.
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.getheaders()]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer, connected))

    def _connection(self, request: httpx.Request) -> HTTPConnection:
        host, port, seconds = request.url.raw_host.decode(), request.url.port, request.extensions["timeout"]["connect"]
        if request.url.scheme == "https":
            return HTTPSConnection(host, port, timeout=seconds, context=self._context)
        return HTTPConnection(host, port, timeout=seconds)


class _Bounded:
    """A socket as `http.client` needs it, at which nobody waits beyond a moment, however little at a time arrives."""

    def __init__(self, connected: socket.socket, request: httpx.Request) -> None:
        self._connected = connected
        self._read_seconds: float = request.extensions["timeout"]["read"]
        self._give_up_at: float = request.extensions.get("give_up_at", float("inf"))

    def sendall(self, data: ReadableBuffer) -> None:
        self._connected.settimeout(self._read_seconds)
        self._connected.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Not yet: the answer's body may still be on its way. Whoever reads it closes the socket."""

    def receive(self, buffer: WriteableBuffer) -> int:
        left = self._give_up_at - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connected.settimeout(min(left, self._read_seconds))
        return self._connected.recv_into(buffer)


class _Incoming(io.RawIOBase):
    def __init__(self, bounded: _Bounded) -> None:
        self._bounded = bounded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._bounded.receive(buffer)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: HTTPResponse, connected: socket.socket) -> None:
        self._answer = answer
        self._connected = connected

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            while part := self._answer.read(_READ_BYTES):
                yield part
        # `http.client` takes an end for the end, however much was announced.
        if self._answer.length:
            raise httpx.RemoteProtocolError(f"{self._answer.length} bytes of the answer did not arrive")

    def close(self) -> None:
        self._answer.close()
        self._connected.close()


def _connect(connection: HTTPConnection) -> socket.socket:
    try:
        connection.connect()
    except TimeoutError as error:
        raise httpx.ConnectTimeout("") from error
    except OSError as error:
        raise httpx.ConnectError("") from error
    return connection.sock


def _ask(request: httpx.Request, connection: HTTPConnection) -> HTTPResponse:
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.raw:
        connection.putheader(name.decode("ascii"), value)
    connection.endheaders(request.read() or None)
    return connection.getresponse()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("") from error
    except OSError as error:
        raise httpx.ReadError("") from error
    except HTTPException as error:
        raise httpx.RemoteProtocolError("") from error
