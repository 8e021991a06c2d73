"""The provider's host of finished pictures: public links, from outside, and therefore not to be trusted."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import BinaryIO

import httpx

from heliograph.imaging.inspection import Inspection
from heliograph.kernel.errors import ResultUnusable, UnusableImage
from heliograph.platform import tls as trust
from heliograph.platform.http_transport import BoundedTransport
from heliograph.platform.user_agent import USER_AGENT
from heliograph.storage.objects import DownloadedImage

# A missing User-Agent gets 403 there [client]. Our key is never sent to it.
_HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
_TIMEOUT = httpx.Timeout(connect=5, write=5, read=30, pool=5)
# The time-outs above are for one step each; a host that trickles would pass them all.
_WHOLE_SECONDS = 120
# How often a download that broke off goes on where it ended, before the workflow begins anew, later.
_MOST_RESUMPTIONS = 3
_PIECE_BYTES = 256 * 1024
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
            follow_redirects=False,
            transport=transport or BoundedTransport(trust.ssl_context()),
        )

    @contextmanager
    def fetch(self, url: str) -> Iterator[DownloadedImage]:
        """Downloads to a temporary file in constant memory and verifies what arrived before anybody sees it."""
        if not any(url.startswith(f"{origin}/") for origin in self._origins):
            raise ResultUnusable("its link is not on an allowed host", again=False)
        with tempfile.TemporaryFile() as file:
            arrived = _Arrived(file)
            self._download(url, arrived)
            yield _verified(arrived)

    def _download(self, url: str, arrived: _Arrived) -> None:
        give_up_at = monotonic() + _WHOLE_SECONDS
        resumptions = 0
        while True:
            try:
                self._fetch_rest(url, arrived, give_up_at)
            except (httpx.InvalidURL, ValueError) as error:
                raise ResultUnusable("its link is no URL", again=False) from error
            except httpx.HTTPError as error:
                _check_time(give_up_at)
                if resumptions == _MOST_RESUMPTIONS or not arrived.is_resumable:
                    raise _host_failed(_told(error)) from error
                resumptions += 1
            else:
                return

    def _fetch_rest(self, url: str, arrived: _Arrived, give_up_at: float) -> None:
        """Raises an `httpx.HTTPError` where the rest did not come, or not all of it."""
        headers, extensions = arrived.wish_for_the_rest(), {"give_up_at": give_up_at}
        with self._client.stream("GET", url, headers=headers, extensions=extensions) as response:
            if not arrived.goes_on_with(response):
                arrived.begin_anew(self._expected_bytes(response), response.headers)
            for chunk in response.iter_raw():
                _check_time(give_up_at)
                self._check_size(arrived.size_bytes + len(chunk))
                arrived.add(chunk)
        if arrived.expected_bytes is not None and arrived.size_bytes != arrived.expected_bytes:
            raise _Torn(f"only {arrived.size_bytes} of {arrived.expected_bytes} bytes of it arrived")

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
        if response.headers.get("transfer-encoding", "").lower() == "chunked":
            return None
        raise ResultUnusable("its host announced no length, so nobody could tell whether it is whole", again=True)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise ResultUnusable(f"it is larger than the {self._max_bytes} bytes allowed", again=False)


def _check_time(give_up_at: float) -> None:
    if monotonic() > give_up_at:
        raise _host_failed(f"its download took more than {_WHOLE_SECONDS} s")


def _host_failed(message: str) -> ResultUnusable:
    return ResultUnusable(message, again=True, host_failed=True)


class _Torn(httpx.RemoteProtocolError):
    """The connection ended, and what came is not what was announced."""


def _told(error: httpx.HTTPError) -> str:
    return str(error) if isinstance(error, _Torn) else f"its download broke off ({type(error).__name__})"


@dataclass
class _Arrived:
    """What has come of a picture so far, hashed and inspected as it comes."""

    file: BinaryIO
    size_bytes: int = 0
    expected_bytes: int | None = None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    inspection: Inspection = field(default_factory=lambda: Inspection(thorough=False))
    _etag: str = ""

    @property
    def is_resumable(self) -> bool:
        """Only a strong validator says that the rest will be of the very same bytes."""
        return bool(self._etag) and self.expected_bytes is not None and 0 < self.size_bytes < self.expected_bytes

    def wish_for_the_rest(self) -> dict[str, str]:
        """The headers that ask for no more than is missing, if the picture is still the same."""
        return {"Range": f"bytes={self.size_bytes}-", "If-Range": self._etag} if self.is_resumable else {}

    def goes_on_with(self, response: httpx.Response) -> bool:
        """Whether that is the rest, exactly; otherwise it is the whole picture, from its beginning."""
        if not self.is_resumable or response.status_code == httpx.codes.OK:
            return False
        rest = f"bytes {self.size_bytes}-{(self.expected_bytes or 0) - 1}/{self.expected_bytes}"
        if response.status_code != httpx.codes.PARTIAL_CONTENT or response.headers.get("content-range") != rest:
            raise _host_failed("its download broke off, and its host did not send the rest of it")
        return True

    def begin_anew(self, expected_bytes: int | None, headers: httpx.Headers) -> None:
        """Forgets what came before."""
        etag = headers.get("etag", "")
        self._etag = etag if etag.startswith('"') and headers.get("accept-ranges") == "bytes" else ""
        self.file.seek(0)
        self.file.truncate()
        self.size_bytes, self.expected_bytes, self.digest = 0, expected_bytes, hashlib.sha256()
        self.inspection = Inspection(size_bytes=expected_bytes, thorough=False)

    def add(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.inspection.read(chunk)
        self.file.write(chunk)
        self.size_bytes += len(chunk)


def _read_through(arrived: _Arrived) -> Inspection:
    """Inspects all of it, once more."""
    inspection = Inspection(size_bytes=arrived.size_bytes)
    arrived.file.seek(0)
    while not inspection.is_over and (piece := arrived.file.read(_PIECE_BYTES)):
        inspection.read(piece)
    return inspection


def _verified(arrived: _Arrived) -> DownloadedImage:
    inspection = _read_through(arrived) if arrived.inspection.in_doubt else arrived.inspection
    try:
        facts = inspection.end()
    except UnusableImage as error:
        # An error page served with 200, or half of a file, is gone a moment later.
        raise ResultUnusable(str(error), again=error.again) from error
    arrived.file.seek(0)
    return DownloadedImage(
        arrived.file, facts.media_type, arrived.size_bytes, arrived.digest.hexdigest(), facts.width, facts.height
    )
