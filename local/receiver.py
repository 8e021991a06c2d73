"""A webhook receiver on loopback: it keeps each message and answers 204."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message: its headers by lower-case names, and its body as received."""

    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of messages at `url`; `next_message` returns them in order."""

    url: str
    _messages: SimpleQueue[ReceivedMessage] = field(default_factory=SimpleQueue)

    def add(self, message: ReceivedMessage) -> None:
        """Adds a message."""
        self._messages.put(message)

    def next_message(self) -> ReceivedMessage | None:
        """The next message, if one has arrived."""
        try:
            return self._messages.get_nowait()
        except Empty:
            return None


@contextmanager
def receiving(path: str) -> Iterator[Receiver]:
    """A receiver on a free port of loopback, for the duration of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.add(ReceivedMessage({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """No log: the demo prints the messages."""

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
