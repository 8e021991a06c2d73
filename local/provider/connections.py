"""Connections: closing a client's from inside an ASGI application, which ASGI does not offer, and TLS outwards."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_EXTENSION = "local.provider.cut"

CutNow = Callable[[bool], None]


class ConnectionCut(ConnectionError):
    """A cut without a socket, under an in-process transport: the client gets this exception."""


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, with a function for the application to close its socket."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        served: ASGIApp = self.app

        async def with_cut(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_EXTENSION] = self._cut
            await served(scope, receive, send)

        self.app = with_cut

    def _cut(self, reset: bool) -> None:
        if reset:
            open_socket: socket.socket | None = self.transport.get_extra_info("socket")
            if open_socket is not None:
                # Lingering for zero seconds turns the close into a RST: the peer reads "connection reset".
                open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()  # what was written so far still goes out
        if self.cycle is not None:
            self.cycle.disconnected = True


class CutResponse(Response):
    """A response that ends early, or before its first byte, with a closed connection.

    With ``status_code`` 0 no status line is sent. ``declared_bytes`` is a Content-Length larger than the body.
    """

    def __init__(
        self,
        *,
        status_code: int = 0,
        body: bytes = b"",
        declared_bytes: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
        reset: bool = False,
    ) -> None:
        super().__init__(status_code=status_code or 200)
        self._nothing = status_code == 0
        self._partial = body
        self._reset = reset
        self._sent_headers = [(name.lower().encode(), value.encode()) for name, value in headers]
        if declared_bytes is not None:
            self._sent_headers.append((b"content-length", str(declared_bytes).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._nothing:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self._sent_headers})
            if self._partial:
                await send({"type": "http.response.body", "body": self._partial, "more_body": True})
                if self._reset:
                    # Otherwise the reset overtakes the bytes, and the client receives nothing.
                    await asyncio.sleep(0.05)
        cut: CutNow | None = scope.get("extensions", {}).get(_EXTENSION)
        if cut is None:
            raise ConnectionCut
        cut(self._reset)


@lru_cache(maxsize=1)
def outgoing_tls() -> ssl.SSLContext:
    """The verifying TLS context of all outgoing calls. Making one takes longer than fetching a small image."""
    return ssl.create_default_context()
