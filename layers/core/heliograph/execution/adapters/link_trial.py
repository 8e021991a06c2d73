"""Trial of signed links by a plain HTTP client, as a provider would fetch them."""

from __future__ import annotations

from http import HTTPStatus

import httpx

from heliograph.platform import tls as trust
from heliograph.platform.http_transport import BoundedTransport
from heliograph.platform.user_agent import USER_AGENT

# A trial is worth no long wait: without an answer, the create call leaves all the same.
_TIMEOUT = httpx.Timeout(connect=2, write=2, read=3, pool=2)
_TRANSIENT = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
)


class HttpLinkTrial:
    """`LinkTrial` by one GET of a link's first byte."""

    def __init__(self, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Range": "bytes=0-0", "Accept-Encoding": "identity"},
            timeout=_TIMEOUT,
            follow_redirects=False,
            transport=transport or BoundedTransport(trust.ssl_context()),
        )

    def refusal(self, url: str) -> str | None:
        """The status that refuses the link for good; `None` for a link that works, or without an answer."""
        try:
            with self._client.stream("GET", url) as response:
                status = response.status_code
        except httpx.HTTPError:
            return None
        if status in _TRANSIENT or not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        return f"HTTP {status}"
