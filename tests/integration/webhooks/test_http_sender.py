"""The sender against real sockets of this machine, reached by addresses that look public: a small internet of its own.

Names lead to addresses by a resolver of ours, and addresses to servers by a connection of ours; the check between the
two, TLS and HTTP are real.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from heliograph.webhooks.adapters import http_sender as webhook_sender
from heliograph.webhooks.adapters.http_sender import MAX_ANSWER_BYTES, HttpWebhookSender
from heliograph.webhooks.delivery import WebhookResponse
from heliograph.webhooks.endpoint import signing_secret

from tests.examples import NOW
from tests.integration.certificates import Authority
from tests.integration.loopback import free_port, saying
from tests.node.programs import Node
from tests.receiving import verified

NAME = "hooks.example.com"
PUBLIC, OTHER_PUBLIC, PUBLIC_V6 = "93.184.216.34", "93.184.216.35", "2606:2800:21f::1"
BODY = '{"type":"webhook.test","data":{"名":"夕暮れ"}}'
SECRET = signing_secret("the deployment's own", "ep_x", 1)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken"
_PATIENCE_SECONDS = 10
_SHORT_SECONDS = 0.5

Behaviour = Callable[[socket.socket], None]


def says(answer: bytes) -> Behaviour:
    """Answers with that, whatever it is asked."""
    return lambda connection: connection.sendall(answer)


def says_for_ever(begin: bytes, again: bytes, *, pause_seconds: float = 0) -> Behaviour:
    """Never stops, until it is cut off."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(again)
            threading.Event().wait(pause_seconds)

    return behave


@dataclass
class Server:
    """Somebody at an address: whom it was asked for, and each request, whole."""

    port: int
    names: list[str | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    cut_off: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(behave: Behaviour, context: ssl.SSLContext | None) -> Iterator[Server]:
    """A server on loopback, with TLS where there is a context for it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = Server(listening.getsockname()[1])
        if context:
            context.sni_callback = lambda _, name, __: server.names.append(name)
        thread = threading.Thread(target=_serve, args=(listening, server, behave, context))
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(_PATIENCE_SECONDS)
        assert not thread.is_alive()


def _serve(listening: socket.socket, server: Server, behave: Behaviour, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        server.connections += 1
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            server.requests.append(_request(connection))
            behave(connection)
        except OSError:
            server.cut_off.set()
        finally:
            connection.close()


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < _length(received):
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return received


def _length(request: bytes) -> int:
    for line in request.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


class Internet:
    """Who is at which address, and which name leads where; every look and every connection is remembered."""

    def __init__(self, authority: Authority, started: ExitStack) -> None:
        self._authority = authority
        self._started = started
        self._names: dict[str, deque[list[str]]] = defaultdict(deque)
        self._servers: dict[str, Server] = {}
        self.looked_up: list[tuple[str, int]] = []
        self.connected: list[tuple[str, int]] = []

    def at(self, address: str, behave: Behaviour, *, certificate: str | None = NAME) -> Server:
        """Somebody at that address, who has a certificate for that name."""
        context = self._authority.serving(certificate) if certificate else None
        server = self._started.enter_context(serving(behave, context))
        self._servers[address] = server
        return server

    def name(self, name: str, *answers: list[str]) -> None:
        """What the name leads to, look by look; the last answer stays."""
        self._names[name].extend(answers)

    def resolve(self, name: str, port: int) -> list[str]:
        self.looked_up.append((name, port))
        answers = self._names[name]
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return answers.popleft() if len(answers) > 1 else answers[0]

    def connect(self, place: tuple[str, int], seconds: float) -> socket.socket:
        self.connected.append(place)
        server = self._servers.get(place[0])
        if server is None:
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", server.port), seconds)

    def send(self, url: str = f"https://{NAME}/in?a=b%20c", **sender: Any) -> WebhookResponse:
        """One attempt."""
        made = HttpWebhookSender(
            resolve=self.resolve, connect=self.connect, ssl_context=self._authority.trusting(), **sender
        )
        return made.send(url, BODY, event_id="evt_x", at=NOW, secrets=[SECRET])


@pytest.fixture
def internet(tmp_path: Any) -> Iterator[Internet]:
    """With nobody in it but whom `NAME` leads to."""
    with ExitStack() as started:
        internet = Internet(Authority(tmp_path), started)
        internet.name(NAME, [PUBLIC])
        yield internet


def parts_of(request: bytes) -> tuple[str, dict[str, str], str]:
    """The first line, the headers and the body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body.decode()


# ---- What is sent


def test_it_arrives_signed_at_the_name_it_was_sent_to(internet: Internet, node: Node) -> None:
    server = internet.at(PUBLIC, says(OK))

    answer = internet.send()

    assert answer == WebhookResponse(200, None, None, b"taken")
    [request] = server.requests
    first, headers, body = parts_of(request)
    assert first == "POST /in?a=b%20c HTTP/1.1"
    assert (headers["host"], server.names) == (NAME, [NAME])
    assert (headers["content-type"], body) == ("application/json", BODY)
    assert headers["webhook-id"] == "evt_x"
    assert verified(SECRET, body, headers, at=NOW) == json.loads(BODY)
    given = {"secret": SECRET, "headers": headers, "body": body, "at": NOW.timestamp()}
    assert json.loads(node.run("verify.mjs", json.dumps(given)).stdout) == json.loads(BODY)
    changed = node.run("verify.mjs", json.dumps({**given, "body": body + " "}), check=False)
    assert changed.returncode != 0
    assert "No matching signature found" in changed.stderr


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (f"https://{NAME}", NAME, 443),
        (f"https://{NAME}:443/", NAME, 443),
        (f"https://{NAME}:8443/", f"{NAME}:8443", 8443),
        (f"https://{NAME.upper()}/", NAME, 443),
        (f"https://{NAME}./", NAME, 443),
    ],
)
def test_the_host_is_named_with_its_port_where_that_is_not_the_usual(
    internet: Internet, url: str, host: str, port: int
) -> None:
    server = internet.at(PUBLIC, says(OK))
    assert internet.send(url).status_code == 200
    assert parts_of(server.requests[0])[1]["host"] == host
    assert internet.connected == [(PUBLIC, port)]


def test_no_connection_is_used_twice(internet: Internet) -> None:
    server = internet.at(PUBLIC, says(OK))
    made = HttpWebhookSender(
        resolve=internet.resolve, connect=internet.connect, ssl_context=internet._authority.trusting()
    )
    for _ in range(2):
        made.send(f"https://{NAME}/", BODY, event_id="evt_x", at=NOW, secrets=[SECRET])
    assert (server.connections, len(internet.looked_up)) == (2, 2)


def test_no_proxy_is_asked(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    internet.at(PUBLIC, says(OK))
    assert internet.send().status_code == 200


# ---- To whom


def test_a_name_that_is_bound_anew_between_check_and_connection_gains_nothing(internet: Internet) -> None:
    rebinding = "rebinding.example.com"
    outside = internet.at(PUBLIC, says(OK), certificate=rebinding)
    inside = internet.at("127.0.0.1", says(OK), certificate=rebinding)
    # The first look sees a public address, every later one this very machine.
    internet.name(rebinding, [PUBLIC], ["127.0.0.1"])

    first = internet.send(f"https://{rebinding}/")

    # One look, and the connection went where that one said: with the name in SNI, certificate and Host.
    assert first.status_code == 200
    assert internet.looked_up == [(rebinding, 443)]
    assert internet.connected == [(PUBLIC, 443)]
    assert (outside.names, parts_of(outside.requests[0])[1]["host"]) == ([rebinding], rebinding)

    second = internet.send(f"https://{rebinding}/")

    # The next attempt looks again, once, and goes nowhere.
    assert second == WebhookResponse(None, webhook_sender.NOT_PUBLIC)
    assert len(internet.looked_up) == 2
    assert internet.connected == [(PUBLIC, 443)]
    assert (outside.connections, inside.connections) == (1, 0)


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "no address",
    ],
)
@pytest.mark.parametrize("where", ["alone", "first", "last"])
def test_one_address_inside_is_enough_to_connect_to_none(internet: Internet, inside: str, where: str) -> None:
    internet.at(PUBLIC, says(OK))
    answers = {"alone": [inside], "first": [inside, PUBLIC], "last": [PUBLIC, OTHER_PUBLIC, inside]}
    internet.name("half.example.com", answers[where])
    assert internet.send("https://half.example.com/") == WebhookResponse(None, webhook_sender.NOT_PUBLIC)
    assert internet.connected == []


def test_an_address_in_the_url_is_checked_as_well(internet: Internet) -> None:
    internet.name("8.8.8.8", ["8.8.8.8"])
    assert internet.send("https://127.0.0.1/").error == webhook_sender.NOT_ALLOWED
    assert internet.send("https://8.8.8.8/").error == webhook_sender.NO_CONNECTION
    assert internet.connected == [("8.8.8.8", 443)]


def test_of_several_addresses_the_first_that_takes_the_connection_is_used(internet: Internet) -> None:
    internet.name("many.example.com", [PUBLIC_V6, PUBLIC, OTHER_PUBLIC])
    internet.at(OTHER_PUBLIC, says(OK), certificate="many.example.com")
    assert internet.send("https://many.example.com/").status_code == 200
    # Functions have a way out by IPv4, seldom by IPv6.
    assert internet.connected == [(PUBLIC, 443), (OTHER_PUBLIC, 443)]


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "http://127.0.0.1:80/", "ftp://x/", "https://a:b@x.org/", ""]
)
def test_what_may_not_be_sent_to_is_not_looked_up(internet: Internet, url: str) -> None:
    assert internet.send(url) == WebhookResponse(None, webhook_sender.NOT_ALLOWED)
    assert (internet.looked_up, internet.connected) == ([], [])


def test_a_name_that_leads_nowhere_is_said_to(internet: Internet) -> None:
    assert internet.send("https://nobody.example.com/") == WebhookResponse(None, webhook_sender.NO_SUCH_NAME)


def test_a_certificate_for_another_name_is_none(internet: Internet) -> None:
    server = internet.at(PUBLIC, says(OK), certificate="other.example.com")
    assert internet.send() == WebhookResponse(None, webhook_sender.NOT_SECURE)
    assert server.requests in ([], [b""])


def test_a_certificate_of_an_authority_that_nobody_knows_is_none(internet: Internet) -> None:
    server = internet.at(PUBLIC, says(OK))
    stranger = HttpWebhookSender(resolve=internet.resolve, connect=internet.connect)
    answer = stranger.send(f"https://{NAME}/", BODY, event_id="evt_x", at=NOW, secrets=[SECRET])
    assert answer == WebhookResponse(None, webhook_sender.NOT_SECURE)
    assert server.requests in ([], [b""])


def test_what_speaks_no_tls_is_told_nothing(internet: Internet) -> None:
    server = internet.at(PUBLIC, says(b"220 mail.example.com ESMTP\r\n"), certificate=None)
    assert internet.send(whole_seconds=_SHORT_SECONDS).error in (webhook_sender.NOT_SECURE, webhook_sender.TIMED_OUT)
    assert not any(BODY.encode() in request for request in server.requests)


# ---- What is answered


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(internet: Internet, status: int) -> None:
    answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: https://{NAME}/there\r\nContent-Length: 0\r\n\r\n"
    server = internet.at(PUBLIC, says(answer.encode()))
    told = internet.send().error
    assert told == (
        f"answered {status}, a redirect to https://{NAME}/there; redirects are not followed: give the URL that takes "
        "the message itself"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/there/", f"https://{NAME}/there/"),
        ("//example.org/x", "https://example.org/x"),
        ("http://user:word@example.org:8080/x?token=s3cret#s3cret", "http://example.org:8080/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("ftp://example.org/x", "somewhere else"),
        ("https://[", "somewhere else"),
        ("https://example.org:99999/x", "somewhere else"),
        ("https://example.org/\x1b[2J\xe9", "somewhere else"),
        ("https://example.org/" + "x" * 3000, "https://example.org/" + "x" * 180),
    ],
)
def test_a_redirect_is_told_with_where_it_leads_and_without_secrets(
    internet: Internet, location: str, told: str
) -> None:
    answer = f"HTTP/1.1 308 Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    internet.at(PUBLIC, says(answer.encode("latin-1")))
    error = internet.send().error or ""
    assert error.startswith(f"answered 308, a redirect to {told}; ")
    assert "s3cret" not in error
    assert "word" not in error


def test_what_is_no_redirect_leads_nowhere(internet: Internet) -> None:
    for status in (304, 404):
        answer = f"HTTP/1.1 {status} X\r\nLocation: https://{NAME}/there\r\nContent-Length: 0\r\n\r\n"
        internet.at(PUBLIC, says(answer.encode()))
        assert internet.send().error == f"answered {status}"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (202, None),
        (204, None),
        (299, None),
        (404, "answered 404"),
        (410, "answered 410"),
        (599, "answered 599"),
    ],
)
def test_what_was_taken_is_told_by_the_status(internet: Internet, status: int, error: str | None) -> None:
    internet.at(PUBLIC, says(f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\n\r\n".encode()))
    assert internet.send() == WebhookResponse(status, error, "7")


def test_an_answer_without_end_is_read_up_to_the_cap(internet: Internet) -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"a" * 1024 + b"\r\n"
    server = internet.at(PUBLIC, says_for_ever(*endless))
    assert internet.send() == WebhookResponse(200, None, None, b"a" * MAX_ANSWER_BYTES)
    assert server.cut_off.wait(_PATIENCE_SECONDS)


def test_headers_without_end_are_no_http(internet: Internet) -> None:
    server = internet.at(PUBLIC, says_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 1000 + b"\r\n"))
    assert internet.send() == WebhookResponse(None, webhook_sender.NO_HTTP)
    assert server.cut_off.wait(_PATIENCE_SECONDS)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX-More: "])
def test_an_answer_that_trickles_is_cut_when_the_time_is_over(internet: Internet, begin: bytes) -> None:
    server = internet.at(PUBLIC, says_for_ever(begin, b"H", pause_seconds=0.02))
    assert internet.send(whole_seconds=_SHORT_SECONDS) == WebhookResponse(None, webhook_sender.TIMED_OUT)
    assert server.cut_off.wait(_PATIENCE_SECONDS)


def test_what_was_taken_is_taken_even_if_the_rest_of_the_answer_trickles(internet: Internet) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
    server = internet.at(PUBLIC, says_for_ever(head, b"a", pause_seconds=0.02))
    answer = internet.send(whole_seconds=_SHORT_SECONDS)
    assert (answer.status_code, answer.error) == (200, None)
    assert 0 < len(answer.body) < 4000
    assert server.cut_off.wait(_PATIENCE_SECONDS)


def test_who_says_nothing_is_waited_for_so_long_and_no_longer(internet: Internet) -> None:
    internet.at(PUBLIC, waits)
    assert internet.send(whole_seconds=_SHORT_SECONDS) == WebhookResponse(None, webhook_sender.TIMED_OUT)


def waits(connection: socket.socket) -> None:
    """Waits for the other side to give up."""
    with suppress(OSError):
        while connection.recv(1):
            pass


def test_a_name_that_is_not_resolved_in_time_is_given_up(internet: Internet) -> None:
    released = threading.Event()

    def never(_: str, __: int) -> list[str]:
        released.wait(_PATIENCE_SECONDS)
        return [PUBLIC]

    sender = HttpWebhookSender(resolve=never, connect=internet.connect, whole_seconds=_SHORT_SECONDS)
    answer = sender.send(f"https://{NAME}/", BODY, event_id="evt_x", at=NOW, secrets=[SECRET])
    released.set()
    assert answer == WebhookResponse(None, webhook_sender.TIMED_OUT)
    assert internet.connected == []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", webhook_sender.NO_HTTP),
        (b"SSH-2.0-OpenSSH_9.6\r\n", webhook_sender.NO_HTTP),
        (b"HTTP/1.1 200", webhook_sender.NO_HTTP),
        (b"HTTP/2 200 OK\r\n\r\n", webhook_sender.NO_HTTP),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(internet: Internet, said: bytes, error: str) -> None:
    internet.at(PUBLIC, says(said))
    assert internet.send() == WebhookResponse(None, error)


# ---- This very machine


def send_locally(url: str, *, local: bool) -> WebhookResponse:
    return HttpWebhookSender(local=local).send(url, BODY, event_id="evt_x", at=NOW, secrets=[SECRET])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_in_the_local_stack_this_very_machine_can_be_a_receiver(host: str) -> None:
    with saying(OK) as loopback:
        answer = send_locally(loopback.origin.replace("127.0.0.1", host), local=True)
    assert answer == WebhookResponse(200, None, None, b"taken")
    [request] = loopback.requests
    _, headers, body = parts_of(request)
    assert headers["host"] == loopback.origin.removeprefix("http://").replace("127.0.0.1", host)
    assert verified(SECRET, body, headers, at=NOW)


def test_anywhere_else_it_is_not() -> None:
    assert send_locally(f"http://127.0.0.1:{free_port()}/", local=False).error == webhook_sender.NOT_ALLOWED


def test_a_name_for_this_machine_that_leads_elsewhere_is_refused() -> None:
    sender = HttpWebhookSender(local=True, resolve=lambda _, __: ["127.0.0.1", "10.0.0.1"])
    answer = sender.send("http://localhost:80/", BODY, event_id="evt_x", at=NOW, secrets=[SECRET])
    assert answer == WebhookResponse(None, webhook_sender.NOT_PUBLIC)


def test_nobody_at_home_is_said_to_be_so() -> None:
    assert send_locally(f"http://127.0.0.1:{free_port()}/", local=True).error == webhook_sender.NO_CONNECTION
