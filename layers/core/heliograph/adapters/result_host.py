"""The provider's host of finished pictures: public links, from outside, and therefore not to be trusted."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import BinaryIO

import httpx
import imagesize

from heliograph.adapters import trust
from heliograph.adapters.user_agent import USER_AGENT
from heliograph.domain.errors import ResultUnusable
from heliograph.domain.media import SNIFF_BYTES, sniff
from heliograph.ports import Picture

# A missing User-Agent gets 403 there [client]. Our key is never sent to it.
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
_TIMEOUT = httpx.Timeout(connect=5, write=5, read=30, pool=5)
# The time-outs above are for one step each; a host that trickles would pass them all.
_WHOLE_SECONDS = 120
# Eventual consistency, a limit, a rule of the edge: what a host may say of a picture that it will hand over later.
_PASSING = frozenset({401, 403, 404, 410, 429})


class ResultHost:
    """Fetches from the allowed `origins` (`https://host[:port]`) only, up to `max_bytes`; follows no redirects."""

    def __init__(
        self, origins: frozenset[str], *, max_bytes: int, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._origins = origins
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            headers=_HEADERS,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            verify=trust.ssl_context(),
            transport=transport,
        )

    @contextmanager
    def fetch(self, url: str) -> Iterator[Picture]:
        """Downloads to a temporary file in constant memory and verifies what arrived before anybody sees it."""
        if not any(url.startswith(f"{origin}/") for origin in self._origins):
            raise ResultUnusable("its link is not on an allowed host", again=False)
        with tempfile.TemporaryFile() as file:
            size_bytes, sha256 = self._download(url, file)
            yield _verified(file, size_bytes, sha256)

    def _download(self, url: str, file: BinaryIO) -> tuple[int, str]:
        digest = hashlib.sha256()
        size_bytes = 0
        give_up_at = monotonic() + _WHOLE_SECONDS
        try:
            with self._client.stream("GET", url) as response:
                expected = self._expected_bytes(response)
                for chunk in response.iter_raw():  # as it arrives: a chunk size would wait for a trickle
                    if monotonic() > give_up_at:
                        raise ResultUnusable(
                            f"its download took more than {_WHOLE_SECONDS} s", again=True, host_failed=True
                        )
                    size_bytes += len(chunk)
                    self._check_size(size_bytes)
                    digest.update(chunk)
                    file.write(chunk)
        except (httpx.InvalidURL, ValueError) as error:
            raise ResultUnusable("its link is no URL", again=False) from error
        except httpx.HTTPError as error:
            raise ResultUnusable(
                f"its download broke off ({type(error).__name__})", again=True, host_failed=True
            ) from error
        if expected is not None and size_bytes != expected:
            raise _host_failed(f"only {size_bytes} of {expected} bytes of it arrived")
        return size_bytes, digest.hexdigest()

    def _expected_bytes(self, response: httpx.Response) -> int | None:
        """The length announced; `None` for a chunked body, whose end is marked in itself."""
        if response.status_code != httpx.codes.OK:
            # A redirect leads nowhere that we may go.
            passing = response.status_code in _PASSING or response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            said = f"its host said {response.status_code}"
            raise (_host_failed(said) if passing else ResultUnusable(said, again=False))
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ResultUnusable("its host sent it encoded, though asked not to", again=True)
        length = response.headers.get("content-length", "")
        if length.isdecimal():
            self._check_size(int(length))
            return int(length)
        if "chunked" in response.headers.get("transfer-encoding", ""):
            return None
        raise ResultUnusable("its host announced no length, so nobody could tell whether it is whole", again=True)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise ResultUnusable(f"it is larger than the {self._max_bytes} bytes allowed", again=False)


def _host_failed(message: str) -> ResultUnusable:
    return ResultUnusable(message, again=True, host_failed=True)


def _verified(file: BinaryIO, size_bytes: int, sha256: str) -> Picture:
    file.seek(0)
    media_type = sniff(file.read(SNIFF_BYTES))
    if media_type is None:
        # An error page served with 200 is gone a moment later.
        raise ResultUnusable("it is no JPEG, PNG or WEBP by its bytes", again=True)
    file.seek(0)
    width, height = imagesize.get(file)
    if width <= 0 or height <= 0:
        raise ResultUnusable("its header names no size in pixels", again=True)
    file.seek(0)
    return Picture(file, media_type, size_bytes, sha256, int(width), int(height))
