"""HTTP client for webhooks (Standard Webhooks 1.0.0). Treats every URL and every response as hostile.

The name is resolved once. All its addresses are checked, and the connection goes to one of them, whatever the name
resolves to a moment later. SNI, certificate and `Host` use the name. Redirects are not followed, proxies not used, and
connections not kept. httpcore, on which httpx is built, allows our own connections; httpx does not.
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
from heliograph.webhooks.delivery import WebhookResponse

# Time limit of an attempt, from resolving the name to the last byte that is read.
WHOLE_SECONDS = 15.0
# Time limit of connecting to one address; a name may have several.
_CONNECT_SECONDS = 5.0
MAX_ANSWER_BYTES = 4096
_MAX_LOCATION_CHARACTERS = 200
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
    """Sends to public addresses, and with `local` also to `http://` on this machine.

    `resolve` returns the addresses of a name, and is called once per attempt. `connect` connects to an address and
    port within a number of seconds, and gets only checked addresses.
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

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookResponse:
        """One connection, one request, at most `MAX_ANSWER_BYTES` of the answer, all within `whole_seconds`."""
        deadline = _Deadline(self._whole_seconds)
        try:
            parts = urlsplit(check_webhook_url(url, local=self._local))
            addresses = self._checked_addresses(parts, deadline)
        except ValueError:
            return WebhookResponse(None, NOT_ALLOWED)
        except _Refused as refused:
            return WebhookResponse(None, str(refused))
        headers = _headers(parts, payload, signed(payload, event_id=event_id, at=at, secrets=secrets))
        try:
            return self._post(parts, headers, payload.encode(), addresses, deadline)
        except _Refused as refused:
            return WebhookResponse(None, str(refused))
        except tuple(_SAID_OF) as error:
            return WebhookResponse(None, next(_SAID_OF[kind] for kind in type(error).__mro__ if kind in _SAID_OF))

    def _checked_addresses(self, parts: SplitResult, deadline: _Deadline) -> list[str]:
        host = _host(parts)
        found = _in_time(lambda: self._resolve(host, _port(parts)), deadline)
        is_allowed = is_loopback if parts.scheme == "http" else is_public
        if not found or not all(is_allowed(address) for address in found):
            raise _Refused(NOT_PUBLIC if found else NO_SUCH_NAME)
        # IPv4 first: functions have no route to the internet by IPv6 unless the operator adds one.
        return sorted(dict.fromkeys(found), key=lambda address: ":" in address)

    def _post(
        self,
        parts: SplitResult,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        addresses: list[str],
        deadline: _Deadline,
    ) -> WebhookResponse:
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
        is_accepted = HTTPStatus(200) <= response.status < HTTPStatus(300)
        return WebhookResponse(
            response.status,
            None if is_accepted else f"answered {response.status}{_redirection(parts, response.status, given)}",
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
    """Beginning of the response body. The status says whether it was accepted, so a broken body is no error."""
    answer = b""
    try:
        for part in response.iter_stream():
            answer += part
            if len(answer) >= MAX_ANSWER_BYTES:
                break
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return answer[:MAX_ANSWER_BYTES]


def _redirection(sent_to: SplitResult, status: int, headers: Mapping[bytes, bytes]) -> str:
    """Explanation of a redirect: its target without query and user name, which may be secret."""
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
        f", a redirect to {place[:_MAX_LOCATION_CHARACTERS]}; redirects are not followed: give the URL that takes the "
        "message itself"
    )


def _host(parts: SplitResult) -> str:
    # A host name may end in a dot; the names of certificates never do.
    return str(parts.hostname).removesuffix(".")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Refused(Exception):
    """The attempt is not made; the message is one of the constants above."""


class _Deadline:
    """Deadline of the attempt."""

    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds left, `most` at most. Raises `TimeoutError` if there are none."""
        left = self._at - monotonic()
        if left <= 0:
            raise TimeoutError
        return left if most is None else min(left, most)


def _in_time(resolve: Callable[[], Sequence[str]], deadline: _Deadline) -> Sequence[str]:
    """The addresses. The resolver has no time-out of its own, so it runs in a thread that can be abandoned."""
    answers: list[Sequence[str]] = []

    def run() -> None:
        try:
            answers.append(resolve())
        except (OSError, UnicodeError):
            answers.append(())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not answers:
        raise _Refused(TIMED_OUT)
    return answers[0]


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever the host; every operation ends with the deadline."""

    def __init__(self, addresses: list[str], connect: Connect, deadline: _Deadline) -> None:
        self._addresses = addresses
        self._connect = connect
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Connects to the first address that accepts the connection."""
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
    """A socket whose operations end with the deadline, however slowly the other side sends."""

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
