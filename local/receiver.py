"""Somebody with a URL, on this machine: what is posted there is remembered, and answered 204."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue


@dataclass(frozen=True, slots=True)
class Posted:
    """One message: its headers by their lower-case names, and its body as it came."""

    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """`url` takes messages; `next_message` hands them on, in order."""

    url: str
    _messages: SimpleQueue[Posted] = field(default_factory=SimpleQueue)

    def take(self, message: Posted) -> None:
        """One more."""
        self._messages.put(message)

    def next_message(self) -> Posted | None:
        """The next one, if it has arrived."""
        try:
            return self._messages.get_nowait()
        except Empty:
            return None


@contextmanager
def receiving(path: str) -> Iterator[Receiver]:
    """A receiver on loopback, at a port of its own, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.take(Posted({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the demo says what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}{path}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
