"""The vendor's host of finished pictures."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from heliograph.kernel.media_types import MediaType
from heliograph.storage.objects import DownloadedImage

from tests.pictures import PNG, png_chunk


def picture_at(url: str) -> bytes:
    """The picture that lies there: each link's is another."""
    return PNG[:-12] + png_chunk(b"teXt", b"Source\0" + url.encode()) + PNG[-12:]


class ScriptedResultSource:
    """A `ResultSource`: every link leads to a picture of its own, unless it was told to go wrong."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self._wrongs: dict[str, deque[BaseException]] = defaultdict(deque)

    def will_refuse(self, url: str, *errors: BaseException) -> None:
        """What the next fetches of `url` raise, one after the other."""
        self._wrongs[url].extend(errors)

    @contextmanager
    def fetch(self, url: str) -> Iterator[DownloadedImage]:
        self.fetched.append(url)
        if self._wrongs[url]:
            raise self._wrongs[url].popleft()
        body = picture_at(url)
        sha256 = hashlib.sha256(body).hexdigest()
        yield DownloadedImage(io.BytesIO(body), MediaType.PNG, len(body), sha256, width=1024, height=768)
