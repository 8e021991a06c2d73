"""Both ends of a copy, over TLS on this machine: a host of images of any size, and as much of S3 as a client meets.

Leaner than either real one, so that a copy waits for itself. What is put here is counted and dropped.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import zlib
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

# Of noise; a narrow one of many megabytes would be higher than a JPEG can be.
_WIDTH = 4000

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
        if picture := re.fullmatch(r"/pictures/(\d+)\.(jpeg|png|webp)", target.path):
            self._picture(_image(picture[2], int(picture[1])), picture[2])
        elif target.path == "/stored":
            self._say("200 OK", json.dumps(_stored).encode())
        elif method in {"GET", "HEAD"}:
            self._say("404 Not Found", b"" if method == "HEAD" else _MISSING)
        elif "uploads" in query:
            self._say("200 OK", _UPLOAD)
        else:
            self._take(headers, None if "uploadId" in query and method == "POST" else target.path)
            self._say("200 OK", _COMPLETED if method == "POST" else b"", 'ETag: "1"', "x-amz-version-id: v1")

    def _picture(self, image: bytes, kind: str) -> None:
        self._socket.sendall(
            f'HTTP/1.1 200 OK\r\nContent-Length: {len(image)}\r\nETag: "{len(image)}"\r\nAccept-Ranges: bytes\r\n'
            f"Content-Type: image/{kind}\r\n\r\n".encode()
        )
        self._socket.sendall(image)

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


@cache
def _image(kind: str, size_bytes: int) -> bytes:
    """Noise as an image of exactly that size: what is missing after encoding is filled up with what no reader shows."""
    encoded = _noise(kind, 400)
    # A little less than would fit.
    height = max(1, int(400 * 0.97 * (size_bytes - 20_000) / len(encoded) * 400 / _WIDTH))
    encoded = _noise(kind, height, _WIDTH)
    missing = size_bytes - len(encoded)
    if kind == "png":
        return encoded[:-12] + _chunk(b"fiLl", bytes(missing - 12)) + encoded[-12:]
    if kind == "webp":
        body = encoded[12:] + b"fiLl" + struct.pack("<I", missing - 8) + bytes(missing - 8)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    comments = []
    while missing:
        part = min(missing, 60_000) if not 0 < missing - 60_000 < len(b"\xff\xfe\0\0") else missing // 2
        comments.append(b"\xff\xfe" + struct.pack(">H", part - 2) + bytes(part - 4))
        missing -= part
    return encoded[:2] + b"".join(comments) + encoded[2:]


def _noise(kind: str, height: int, width: int = 400) -> bytes:
    image = Image.frombytes("RGB", (width, height), os.urandom(3 * width * height))
    file = io.BytesIO()
    image.save(file, kind, **{"jpeg": {"quality": 90}, "webp": {"quality": 100, "method": 0}}.get(kind, {}))
    return file.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


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
