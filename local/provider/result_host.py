"""The result host: a public origin apart from the API, with faults of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from local.provider.connections import CutResponse
from local.provider.faults import Fault, FaultRules
from local.provider.result_storage import ResultStorage, StoredFile

_NOT_AN_IMAGE = b"<!doctype html><html><body><h1>Just a moment...</h1></body></html>"
_JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_CHUNK_BYTES = 64 * 1024
_METADATA_ADDRESS = "http://169.254.169.254/latest/meta-data/"


def result_host(storage: ResultStorage, rules: FaultRules) -> Starlette:
    """The ASGI application of the result host."""

    async def serve(request: Request) -> Response:
        # [client] a missing User-Agent gets 403.
        if not request.headers.get("user-agent"):
            return PlainTextResponse("error code: 1010", status_code=403)
        # The provider does not do this. It makes a test fail that sends the API key to the result host.
        if "authorization" in request.headers:
            return PlainTextResponse("InvalidArgument: Authorization", status_code=400)
        found = storage.find(request.path_params["name"])
        if found is None:
            return PlainTextResponse("Object not found", status_code=404)
        fault = rules.take("result", found.prompt, provider=found.provider) if request.method == "GET" else None
        return _faulty(found, fault) if fault is not None else _whole_or_part(request, found)

    return Starlette(routes=[Route("/{name:path}", serve, methods=["GET", "HEAD"])])


def _headers(found: StoredFile) -> dict[str, str]:
    return {
        "content-type": found.content_type,
        "etag": found.etag,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=14400",
    }


def _whole_or_part(request: Request, found: StoredFile) -> Response:
    headers = _headers(found)
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    data = found.path.read_bytes()
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if wanted is None or wanted.group(0) == "bytes=-":
        return Response(data, headers=headers)
    first, last = wanted.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start > end:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    headers["content-range"] = f"bytes {start}-{end}/{len(data)}"
    return Response(data[start : end + 1], status_code=206, headers=headers)


def _faulty(found: StoredFile, fault: Fault) -> Response:
    data, headers = found.path.read_bytes(), _headers(found)
    match fault.kind:
        case "truncated" | "cut":
            kept = fault.whole("bytes", len(data) // 2)
            return CutResponse(
                status_code=200,
                body=data[:kept],
                declared_bytes=len(data),
                headers=headers.items(),
                reset=fault.kind == "cut",
            )
        # The declared length is that of the damaged body.
        case "half":
            return Response(data[: fault.whole("bytes", len(data) // 2)], headers=headers)
        case "zero_filled":
            kept = min(fault.whole("bytes", 1000), len(data))
            return Response(data[:kept] + bytes(len(data) - kept), headers=headers)
        case "wrong_content_type":
            return Response(data, headers={**headers, "content-type": fault.text("content_type", "text/plain")})
        case "not_an_image":
            return Response(_NOT_AN_IMAGE, headers=headers)
        case "slow_body":
            return StreamingResponse(
                _slowly(data, fault.number("seconds", 5.0), fault.whole("chunks", 10)),
                headers={**headers, "content-length": str(len(data))},
            )
        case "redirect_private":
            return RedirectResponse(fault.text("location", _METADATA_ADDRESS), status_code=302)
        case "no_content_length":
            return StreamingResponse(_slowly(data, 0.0, 4), headers=headers)
        case "oversized":
            size = fault.whole("bytes", 64 * 1024 * 1024)
            declared = {"content-length": str(size)} if fault.flag("declare", True) else {}
            return StreamingResponse(_endless(size), headers={**headers, "content-type": "image/jpeg", **declared})
        case "5xx":
            return HTMLResponse("<html><body>Internal error</body></html>", fault.whole("status", 503))
        case status:
            return PlainTextResponse("Object not found" if status == "404" else "Forbidden", int(status))


async def _slowly(data: bytes, seconds: float, chunks: int) -> AsyncIterator[bytes]:
    step = max(1, -(-len(data) // max(1, chunks)))
    for start in range(0, len(data), step):
        yield data[start : start + step]
        await asyncio.sleep(seconds / max(1, chunks))


async def _endless(size_bytes: int) -> AsyncIterator[bytes]:
    yield _JPEG_START[:size_bytes]
    left = size_bytes - len(_JPEG_START)
    while left > 0:
        yield bytes(min(left, _CHUNK_BYTES))
        left -= _CHUNK_BYTES
