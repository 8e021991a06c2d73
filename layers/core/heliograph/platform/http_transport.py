"""httpx's transport for calls of hosts outside AWS, with an end for the whole call.

httpx's time-outs are for one step each, and a host that sends a byte at a time would pass them all. The network
backend of httpcore, on which httpx is built, is where every step of a connection can be bounded.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from time import monotonic
from typing import Any

import httpcore
import httpx

# TLS gives 16 KB at a time, and httpx and h11 handle every piece by itself. What has arrived is therefore taken at
# once, up to this much, without waiting for more. A copy of a large result costs a quarter less CPU for it.
_READ_BYTES = 256 * 1024
# The end of the call that is being made, on the monotonic clock: its connection is opened by the same thread.
_GIVE_UP_AT: ContextVar[float] = ContextVar("give_up_at")


class BoundedTransport(httpx.HTTPTransport):
    """One connection per request.

    The request's extension `give_up_at` (on the monotonic clock) ends it, whatever still arrives, with httpx's error
    for the time-out of the step that it was in.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for httpcore's network backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_keepalive_connections=0, network_backend=_BoundedBackend()
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Returns as soon as the head of the answer is there."""
        before = _GIVE_UP_AT.set(request.extensions.get("give_up_at", float("inf")))
        try:
            return super().handle_request(request)
        finally:
            _GIVE_UP_AT.reset(before)


class _BoundedBackend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        end = _End(_GIVE_UP_AT.get())
        seconds = end.within(timeout, httpcore.ConnectTimeout)
        return _BoundedStream(super().connect_tcp(host, port, seconds, local_address, socket_options), end)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, end: _End) -> None:
        self._stream = stream
        self._end = end
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part = self._stream.read(min(max_bytes, _READ_BYTES), self._end.within(timeout, httpcore.ReadTimeout))
        size = more = len(part)
        self._buffer[:size] = part
        connected = self._stream.get_extra_info("socket")
        connected.settimeout(0)
        try:
            while more and size < _READ_BYTES:
                more = connected.recv_into(self._buffer[size:])
                size += more
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        return bytes(self._buffer[:size])

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            # To send nothing would fetch, and lose, the error of a connection that was reset meanwhile.
            return
        connected = self._stream.get_extra_info("socket")
        connected.settimeout(self._end.within(timeout, httpcore.WriteTimeout))
        try:
            # All of it within the time-out. httpcore's own stream begins the time-out anew for every part.
            connected.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._end.within(timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._end)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _End:
    def __init__(self, at: float) -> None:
        self._at = at

    def within(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
        """The step's time-out, or what is left of the call if that is less. Raises `late` if nothing is left."""
        left = self._at - monotonic()
        if left <= 0:
            raise late("the time for the whole call is over")
        if timeout is None:
            return None if left == float("inf") else left
        return min(left, timeout)
