"""Both ends of a copy, over TLS on this machine: a host of pictures of any size, and as much of S3 as a client meets.

Leaner than either real one, so that a copy waits for itself. What is put here is counted and dropped.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import sys
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

_BLOCK = os.urandom(1 << 20)
_PNG_HEAD = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000400000003000802000000")
_MISSING = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
_UPLOAD = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = b"<CompleteMultipartUploadResult><ETag>&quot;1&quot;</ETag></CompleteMultipartUploadResult>"

# By key: how many bytes came, and under which checksums.
_stored: dict[str, dict[str, Any]] = {}
_lock = threading.Lock()


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._left = b""
        self._buffer = bytearray(1 << 18)

    def serve(self) -> None:
        """One request after the other, until the client has enough."""
        while (end := self._until_head_ends()) >= 0:
            head, self._left = self._left[:end].decode("latin-1"), self._left[end + 4 :]
            first, *lines = head.split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self._answer(method, urlsplit(target), headers)

    def _until_head_ends(self) -> int:
        while (end := self._left.find(b"\r\n\r\n")) < 0:
            part = self._socket.recv(65536)
            if not part:
                return -1
            self._left += part
        return end

    def _answer(self, method: str, target: Any, headers: dict[str, str]) -> None:
        query = parse_qs(target.query, keep_blank_values=True)
        if picture := re.fullmatch(r"/pictures/(\d+)\.png", target.path):
            self._picture(int(picture[1]))
        elif target.path == "/stored":
            self._say("200 OK", json.dumps(_stored).encode())
        elif method in {"GET", "HEAD"}:
            self._say("404 Not Found", b"" if method == "HEAD" else _MISSING)
        elif "uploads" in query:
            self._say("200 OK", _UPLOAD)
        else:
            self._take(headers, None if "uploadId" in query and method == "POST" else target.path)
            self._say("200 OK", _COMPLETED if method == "POST" else b"", 'ETag: "1"', "x-amz-version-id: v1")

    def _picture(self, size_bytes: int) -> None:
        self._socket.sendall(
            f'HTTP/1.1 200 OK\r\nContent-Length: {size_bytes}\r\nETag: "{size_bytes}"\r\nAccept-Ranges: bytes\r\n'
            f"Content-Type: image/png\r\n\r\n".encode()
            + _PNG_HEAD
        )
        left, block = size_bytes - len(_PNG_HEAD), memoryview(_BLOCK)
        while left > 0:
            self._socket.sendall(block[:left])
            left -= len(_BLOCK)

    def _take(self, headers: dict[str, str], key: str | None) -> None:
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding") == "chunked":
            while size_bytes := int(self._line(), 16):
                self._drop(size_bytes + 2)
            self._drop(2)
        else:
            self._drop(int(headers.get("content-length", "0")))
        if key is None:
            return
        size_bytes = int(headers.get("x-amz-decoded-content-length") or headers.get("content-length", "0"))
        checksums = {name for name in headers if name.startswith("x-amz-checksum-")} | {headers.get("x-amz-trailer")}
        with _lock:
            known = _stored.setdefault(key, {"size_bytes": 0, "checksums": []})
            known["size_bytes"] += size_bytes
            known["checksums"] = sorted({*known["checksums"], *(name for name in checksums if name)})

    def _line(self) -> bytes:
        while (end := self._left.find(b"\r\n")) < 0:
            self._left += self._received()
        line, self._left = self._left[:end], self._left[end + 2 :]
        return line

    def _drop(self, size_bytes: int) -> None:
        known, self._left = len(self._left), self._left[size_bytes:]
        size_bytes -= known
        while size_bytes > 0:
            received = self._socket.recv_into(self._buffer, min(size_bytes, len(self._buffer)))
            if not received:
                raise ConnectionError
            size_bytes -= received

    def _received(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionError
        return part

    def _say(self, status: str, body: bytes, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def _serve(connection: socket.socket, context: ssl.SSLContext) -> None:
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(connection, server_side=True) as secured:
            _Connection(secured).serve()
    except OSError:  # the client is gone
        pass


def main(certificate: str) -> None:
    """Says its port, and serves until it is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_serve, args=(connection, context), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
