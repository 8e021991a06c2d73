"""Log of the calls received, with their status. It records whether a call carried a key, never the key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.provider.wire import milliseconds

_KEPT_CALLS = 20_000


class CallLog:
    """The latest calls on both origins, without those of the control plane."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[dict[str, object]] = deque(maxlen=_KEPT_CALLS)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return iter(tuple(self._calls))

    def clear(self) -> None:
        """Removes every call."""
        self._calls.clear()

    def recording(self, app: ASGIApp, origin: str) -> ASGIApp:
        """The application with its calls logged; ``status`` stays None if no response was started."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith("/_sim"):
                await app(scope, receive, send)
                return
            headers = Headers(scope=scope)
            call: dict[str, object] = {
                "at": milliseconds(self._clock()),
                "origin": origin,
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"].decode("latin-1"),
                "has_authorization": "authorization" in headers,
                "user_agent": headers.get("user-agent"),
                "status": None,
            }
            self._calls.append(call)

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    call["status"] = message["status"]
                await send(message)

            await app(scope, receive, noting)

        return recorded
