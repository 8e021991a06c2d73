"""Somebody who receives webhooks, on this machine: remembers every message, and answers as told."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """A webhook as it arrived."""

    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        """The same at every attempt."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """What it says. Raises where it was not signed with that secret."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Each path is a receiver of its own; answers 200, unless told otherwise."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._messages: dict[str, list[Message]] = defaultdict(list)
        self._answers: dict[str, deque[int]] = defaultdict(deque)

    def url(self, name: str) -> str:
        """Where that receiver is reached."""
        return f"{self.origin}/{name}"

    def answer(self, name: str, *statuses: int) -> None:
        """What it answers next."""
        self._answers[name].extend(statuses)

    def is_well(self, name: str) -> None:
        """From now on it takes everything."""
        self._answers[name].clear()

    def got(self, name: str) -> list[Message]:
        """Every message so far."""
        return list(self._messages[name])

    def take(self, name: str, message: Message) -> int:
        """One more message; the status of the answer."""
        self._messages[name].append(message)
        return self._answers[name].popleft() if self._answers[name] else 200


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(self.path.strip("/"), Message(headers, body)))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            serving.join()
