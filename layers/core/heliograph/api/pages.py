"""Web pages: read once at start, sent with headers that isolate them. Pages are public: no caller is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from heliograph.api.problems import Problem
from heliograph.api.responses import problem_answer

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# For files that are no documents, and documents that load nothing.
CLOSED = "default-src 'none'; frame-ancestors 'none'"
# Of a page to read, with a style and pictures of its own.
READING = f"{CLOSED}; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    # Revalidated on each request and answered by 304: a new deployment shows at once, and never in part.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    # For custom domains; AWS's own names never serve plain HTTP.
    "Strict-Transport-Security": "max-age=31536000",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class BucketOrigins:
    """Origins (`https://host`) of the presigned links of the two buckets."""

    uploads: str
    results: str


def playground_policy(origins: BucketOrigins) -> str:
    """The playground's Content-Security-Policy.

    The page runs its own files, calls its own API, uploads to one bucket and shows images of the other. No text can
    run as code (`trusted-types 'none'`); the page can't submit a form to another page or be framed.
    """
    directives = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' blob: {origins.results}",
        f"connect-src 'self' {origins.uploads}",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(directives)


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page or one of its files."""

    body: str
    content_type: str
    policy: str = CLOSED
    """Its Content-Security-Policy."""

    @property
    def etag(self) -> str:
        """Entity tag: changes with the body, the content type and the policy."""
        digest = hashlib.sha256(f"{self.content_type}\n{self.policy}\n{self.body}".encode())
        return f'"{digest.hexdigest()[:32]}"'

    @classmethod
    def read(cls, file: Path, policy: str = CLOSED) -> WebPage:
        """The file, with the content type of its suffix."""
        return cls(file.read_text(encoding="utf-8"), _CONTENT_TYPES[file.suffix], policy)


def folder(path: str, of: Path) -> dict[str, WebPage]:
    """All files of a folder by their paths below `path`, except for documents (`.html`)."""
    return {f"{path}/{file.name}": WebPage.read(file) for file in sorted(of.iterdir()) if file.suffix != ".html"}


class Pages:
    """All pages, by their paths below the stage."""

    def __init__(self, by_path: Mapping[str, WebPage]) -> None:
        self._pages = {path: (page, page.etag) for path, page in by_path.items()}

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """API Gateway's response: 200, 304 if the browser has the page, or a problem. No body for `HEAD`."""
        call = APIGatewayProxyEvent(event)
        # The resource that the gateway matched: the path itself begins with a custom domain's base path.
        path = call.resource.format_map(call.path_parameters or {})
        if path not in self._pages:
            return problem_answer(Problem.not_found("page"), call)
        if call.path.endswith("/"):
            # The gateway matches both, but a page's relative links would lead elsewhere from this URL.
            return _answer(HTTPStatus.PERMANENT_REDIRECT, {"Location": f"../{path.rpartition('/')[2]}"})
        page, etag = self._pages[path]
        headers = {**_HEADERS, "ETag": etag, "Content-Security-Policy": page.policy}
        if etag in _known(call):
            return _answer(HTTPStatus.NOT_MODIFIED, headers)
        body = "" if call.http_method == "HEAD" else page.body
        return _answer(HTTPStatus.OK, {**headers, "Content-Type": page.content_type}, body)


def _known(call: APIGatewayProxyEvent) -> set[str]:
    """Entity tags that the browser has. The gateway may mark them as weak when it compresses."""
    header = call.headers.get("If-None-Match") or ""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _answer(status: HTTPStatus, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    return {"statusCode": status.value, "headers": dict(headers), "body": body}
