"""Pages for browsers: read once at start, sent with headers that keep them to themselves. No caller is known here."""

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
# Of what is no document, or of a document that needs nothing.
CLOSED = "default-src 'none'; frame-ancestors 'none'"
# Of a page to read, with a style and pictures of its own.
READING = f"{CLOSED}; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    # Asked for again each time and answered by 304: a new deployment is seen at once, and never half of it.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    # Counts for a domain of one's own; AWS's own names are never served in clear.
    "Strict-Transport-Security": "max-age=31536000",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class BucketOrigins:
    """Where the signed links of the two buckets lead, as a browser names it: `https://host`."""

    uploads: str
    results: str


def playground_policy(origins: BucketOrigins) -> str:
    """What the playground may do: run its own files, call its own API, post to the one bucket, show from the other.

    Nothing can make it run a text as code (`trusted-types 'none'`), send a form or be framed.
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
    """What lies at a path: its text, what it is, and what a browser lets it do."""

    body: str
    content_type: str
    policy: str = CLOSED

    @property
    def etag(self) -> str:
        """Changes with the text, and with what it may do."""
        digest = hashlib.sha256(f"{self.content_type}\n{self.policy}\n{self.body}".encode())
        return f'"{digest.hexdigest()[:32]}"'

    @classmethod
    def read(cls, file: Path, policy: str = CLOSED) -> WebPage:
        """The file's text, as what its name says that it is."""
        return cls(file.read_text(encoding="utf-8"), _CONTENT_TYPES[file.suffix], policy)


def folder(path: str, of: Path) -> dict[str, WebPage]:
    """Every file of a folder under that path, but the document itself (`index.html`)."""
    return {f"{path}/{file.name}": WebPage.read(file) for file in sorted(of.iterdir()) if file.suffix != ".html"}


class Pages:
    """All pages, by their paths below the stage."""

    def __init__(self, by_path: Mapping[str, WebPage]) -> None:
        self._pages = {path: (page, page.etag) for path, page in by_path.items()}

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """The page as API Gateway takes it: 200, 304 to whom has it already, or a problem. Of `HEAD`, no body."""
        call = APIGatewayProxyEvent(event)
        # What the gateway matched, rather than the path: that begins with whatever a custom domain puts before it.
        path = call.resource.format_map(call.path_parameters or {})
        if path not in self._pages:
            return problem_answer(Problem.not_found("page"), call)
        if call.path.endswith("/"):
            # The gateway takes both for one, but a page's relative links lead elsewhere from there.
            return _answer(HTTPStatus.PERMANENT_REDIRECT, {"Location": f"../{path.rpartition('/')[2]}"})
        page, etag = self._pages[path]
        headers = {**_HEADERS, "ETag": etag, "Content-Security-Policy": page.policy}
        if etag in _known(call):
            return _answer(HTTPStatus.NOT_MODIFIED, headers)
        body = "" if call.http_method == "HEAD" else page.body
        return _answer(HTTPStatus.OK, {**headers, "Content-Type": page.content_type}, body)


def _known(call: APIGatewayProxyEvent) -> set[str]:
    """The entity tags that the browser has. The gateway may mark them as weak where it compresses."""
    given = call.headers.get("If-None-Match") or ""
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


def _answer(status: HTTPStatus, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    return {"statusCode": status.value, "headers": dict(headers), "body": body}
