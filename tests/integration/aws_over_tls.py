"""AWS as a person's machine reaches it: over TLS. moto answers, behind a server with a certificate of our own.

CloudFormation is played (moto's needs packages that nothing else needs), and S3 takes whatever it is given.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from tests.integration.certificates import Authority
from tests.integration.played_cloudformation import PlayedCloudFormation, Refusal

REGION = "eu-central-1"
_HOST = "127.0.0.1"
# In the signature of every call: whom it is meant for.
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class TlsAws:
    """Where it is.

    `refusals`: what it says instead, by `service` or `service:Operation`; `answers`: JSON that it answers with;
    `calls`: all that came.
    """

    endpoint: str
    bundle: Path
    cloudformation: PlayedCloudFormation = field(default_factory=PlayedCloudFormation)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    regions: set[str] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """A person's: the bundle stands for the authorities that botocore brings."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.bundle),
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of it."""
        made: Any = boto3.client  # typed for literal names only
        return made(
            service,
            endpoint_url=self.endpoint,
            verify=str(self.bundle),
            region_name=region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """What it says to a request."""
        scope = _SCOPE.search(headers.get("Authorization") or "")
        if scope is None:
            return 403, {}, b"unsigned"
        service, operation = scope["service"], _operation(method, path, headers, body)
        self.calls.append(f"{service}:{operation}")
        self.regions.add(scope["region"])
        try:
            for refused in (service, f"{service}:{operation}"):
                if refused in self.refusals:
                    raise self.refusals[refused]
            if service == "cloudformation":
                return 200, {"Content-Type": "text/xml"}, self.cloudformation.answer(operation, body.decode()).encode()
        except Refusal as refusal:
            return _refused(service, refusal)
        if document := self.answers.get(f"{service}:{operation}"):
            return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()
        if service == "s3":
            return (404, {}, b"") if method == "HEAD" else (200, {"ETag": '"etag"'}, b"")
        url = f"https://{service}.{scope['region']}.amazonaws.com{path}"
        request = AWSPreparedRequest(method, url, HTTPHeaders(), body, stream_output=False)
        for name, value in headers.items():
            request.headers[name] = value
        status, said, told = BotocoreStubber().process_request(request) or (404, {}, "")
        return int(status), said, told.encode() if isinstance(told, str) else told


def _operation(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    if target := headers.get("X-Amz-Target"):
        return target.partition(".")[2]
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode())["Action"][0]
    return f"{method} {path}"


def _refused(service: str, refusal: Refusal) -> _Answer:
    if service in {"cloudformation", "sts"}:
        inner = f"<Error><Type>Sender</Type><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
        return refusal.status, {"Content-Type": "text/xml"}, f"<ErrorResponse>{inner}</ErrorResponse>".encode()
    document = {"__type": refusal.code, "message": refusal.message}
    return refusal.status, {"x-amzn-errortype": refusal.code}, json.dumps(document).encode()


def _chunks(file: BufferedIOBase) -> Iterator[bytes]:
    """As the SDK sends what it computes a checksum of on the way: without a length."""
    while size := int(file.readline(), 16):
        yield file.read(size)
        file.readline()
    while file.readline().strip():
        pass


class _TlsServer(ThreadingHTTPServer):
    """Shakes hands in each connection's own thread: sam uploads ten files at once."""

    request_queue_size = 128
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)


@contextmanager
def aws_over_tls(folder: Path) -> Iterator[TlsAws]:
    """An empty AWS, for as long as the block lasts."""
    authority = Authority(folder)
    with mock_aws():
        pass  # which empties it

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
            length = int(self.headers.get("Content-Length") or 0)
            body = b"".join(_chunks(self.rfile)) if is_chunked else self.rfile.read(length)
            status, said, told = aws.answer(self.command, self.path, dict(self.headers.items()), body)
            self.send_response(status)
            for name, value in said.items():
                if name.lower() not in {"content-length", "date", "server", "connection"}:
                    self.send_header(name, str(value))
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with _TlsServer((_HOST, 0), Handler) as server:
        server.context = authority.serving(_HOST)
        aws = TlsAws(f"https://{_HOST}:{server.server_port}", authority.bundle())
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield aws
        finally:
            server.shutdown()
            serving.join(10)
