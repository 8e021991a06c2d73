"""Sends webhooks (Standard Webhooks 1.0.0) to whatever URL somebody gave: hostile until it has answered, and after.

The name is resolved once; every address that it leads to is checked, and the connection goes to one of those, whatever
the name leads to a moment later. SNI, certificate and `Host` are of the name. No redirect is followed, no proxy asked,
no connection kept. httpcore, on which httpx is built, lets us make the connection ourselves; httpx does not.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore
from standardwebhooks import Webhook

from heliograph.kernel.public_addresses import is_loopback, is_public
from heliograph.platform import tls as trust
from heliograph.platform.user_agent import USER_AGENT
from heliograph.storage.references import check_webhook_url
from heliograph.webhooks.delivery import WebhookAnswer

# For everything together, from the name's resolution to the last byte that is read.
WHOLE_SECONDS = 15.0
# Of one address; a name may have several.
_CONNECT_SECONDS = 5.0
MOST_ANSWER_BYTES = 4096
_MOST_PLACE_CHARACTERS = 200
_REDIRECTIONS = (301, 302, 303, 307, 308)
_PORTS = {"https": 443, "http": 80}

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]

NOT_ALLOWED = "its URL is not allowed"
NO_SUCH_NAME = "its name could not be resolved"
NOT_PUBLIC = "its name leads to an address that is not public"
NO_CONNECTION = "could not connect"
NOT_SECURE = "its certificate is not valid, or no secure connection came about"
TIMED_OUT = "timed out"
BROKE_OFF = "the connection broke off"
NO_HTTP = "no whole HTTP answer came"
# By the nearest kind of an error of the connection; httpcore hands on those of our own sockets as they are.
_SAID_OF: Mapping[type[BaseException], str] = {
    TimeoutError: TIMED_OUT,
    httpcore.TimeoutException: TIMED_OUT,
    ssl.SSLError: NOT_SECURE,
    httpcore.ProtocolError: NO_HTTP,
    httpcore.UnsupportedProtocol: NO_HTTP,
    OSError: BROKE_OFF,
    httpcore.NetworkError: BROKE_OFF,
    httpcore.ConnectionNotAvailable: BROKE_OFF,
    httpcore.ProxyError: BROKE_OFF,
}


class HttpWebhookSender:
    """`local`: also to `http://` on this very machine. `resolve`: the addresses of a name; asked once per attempt.

    `connect`: a connection to an address and port, within that many seconds; it is given checked addresses only.
    """

    def __init__(
        self,
        *,
        local: bool = False,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        ssl_context: ssl.SSLContext | None = None,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self._local = local
        self._resolve = resolve or _resolve
        self._connect = connect
        self._ssl_context = ssl_context or trust.ssl_context()
        self._whole_seconds = whole_seconds

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookAnswer:
        """One connection, one request, at most `MOST_ANSWER_BYTES` of the answer, all within `whole_seconds`."""
        deadline = _Deadline(self._whole_seconds)
        try:
            parts = urlsplit(check_webhook_url(url, local=self._local))
            addresses = self._checked_addresses(parts, deadline)
        except ValueError:
            return WebhookAnswer(None, NOT_ALLOWED)
        except _Refused as refused:
            return WebhookAnswer(None, str(refused))
        headers = _headers(parts, payload, signed(payload, event_id=event_id, at=at, secrets=secrets))
        try:
            return self._post(parts, headers, payload.encode(), addresses, deadline)
        except _Refused as refused:
            return WebhookAnswer(None, str(refused))
        except tuple(_SAID_OF) as error:
            return WebhookAnswer(None, next(_SAID_OF[kind] for kind in type(error).__mro__ if kind in _SAID_OF))

    def _checked_addresses(self, parts: SplitResult, deadline: _Deadline) -> list[str]:
        host = _host(parts)
        found = _in_time(lambda: self._resolve(host, _port(parts)), deadline)
        is_allowed = is_loopback if parts.scheme == "http" else is_public
        if not found or not all(is_allowed(address) for address in found):
            raise _Refused(NOT_PUBLIC if found else NO_SUCH_NAME)
        # Functions have no way out by IPv6, unless somebody gave them one.
        return sorted(dict.fromkeys(found), key=lambda address: ":" in address)

    def _post(
        self,
        parts: SplitResult,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        addresses: list[str],
        deadline: _Deadline,
    ) -> WebhookAnswer:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        url = httpcore.URL(
            scheme=parts.scheme.encode(), host=_host(parts).encode(), port=_port(parts), target=target.encode()
        )
        backend = _CheckedBackend(addresses, self._connect, deadline)
        with (
            httpcore.ConnectionPool(
                ssl_context=self._ssl_context, network_backend=backend, max_keepalive_connections=0
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body) as response,
        ):
            answer = _first_bytes(response)
            given = {name.lower(): value for name, value in response.headers}
        retry_after = given.get(b"retry-after")
        is_taken = HTTPStatus(200) <= response.status < HTTPStatus(300)
        return WebhookAnswer(
            response.status,
            None if is_taken else f"answered {response.status}{_redirection(parts, response.status, given)}",
            retry_after.decode("latin-1") if retry_after else None,
            answer,
        )


def signed(payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature for each secret."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, at, payload) for secret in secrets),
    }


def _headers(parts: SplitResult, payload: str, signature: dict[str, str]) -> list[tuple[bytes, bytes]]:
    name = f"[{_host(parts)}]" if ":" in _host(parts) else _host(parts)
    headers = {
        "Host": name if parts.port in {None, _PORTS[parts.scheme]} else f"{name}:{parts.port}",
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(payload.encode())),
        "Accept-Encoding": "identity",
        "Connection": "close",
        **signature,
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _first_bytes(response: httpcore.Response) -> bytes:
    """What it said, as far as it is of interest. That it was taken is in the status; the rest need not come whole."""
    answer = b""
    try:
        for part in response.iter_stream():
            answer += part
            if len(answer) >= MOST_ANSWER_BYTES:
                break
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return answer[:MOST_ANSWER_BYTES]


def _redirection(sent_to: SplitResult, status: int, headers: Mapping[bytes, bytes]) -> str:
    """Where an answer sends us on, without what may be secret there (a query, a user name), and why we don't go."""
    if status not in _REDIRECTIONS or b"location" not in headers:
        return ""
    try:
        url = urlsplit(urljoin(sent_to.geturl(), headers[b"location"].decode("latin-1").strip()))
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        place = f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}{url.path}"
    except ValueError:
        place = ""
    if not place.startswith(("http://", "https://")) or not place.isascii() or not place.isprintable():
        place = "somewhere else"
    return (
        f", a redirect to {place[:_MOST_PLACE_CHARACTERS]}; redirects are not followed: give the URL that takes the "
        "message itself"
    )


def _host(parts: SplitResult) -> str:
    # A name may end in a dot; certificates never do.
    return str(parts.hostname).removesuffix(".")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Refused(Exception):
    """Nothing is sent; the message is one of ours."""


class _Deadline:
    """When the whole attempt is over."""

    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds, `most` at most. Raises `TimeoutError` when there are none."""
        left = self._at - monotonic()
        if left <= 0:
            raise TimeoutError
        return left if most is None else min(left, most)


def _in_time(resolve: Callable[[], Sequence[str]], deadline: _Deadline) -> Sequence[str]:
    """The resolver's answer. It knows no time-out of its own, so it works in a thread that need not be waited for."""
    answers: list[Sequence[str]] = []

    def ask() -> None:
        try:
            answers.append(resolve())
        except (OSError, UnicodeError):
            answers.append(())

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(deadline.left())
    if not answers:
        raise _Refused(TIMED_OUT)
    return answers[0]


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever host it is asked for; everything ends with the deadline."""

    def __init__(self, addresses: list[str], connect: Connect, deadline: _Deadline) -> None:
        self._addresses = addresses
        self._connect = connect
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """To the first address that takes the connection."""
        del host
        for address in self._addresses:
            seconds = self._deadline.left(_CONNECT_SECONDS)
            try:
                connection = self._connect((address, port), seconds)
            except OSError:
                continue
            return _Stream(connection, self._deadline)
        raise _Refused(NO_CONNECTION)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation ends with the deadline, however slowly the other side trickles."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self._socket = connection
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._socket.settimeout(self._deadline.left())
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        try:
            self._socket.settimeout(self._deadline.left())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        del info
        return None
