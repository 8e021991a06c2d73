"""Where published pictures lie until their retention is over: on disk, for thousands would not fit in memory."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.upstream.catalogue import APIMODELS
from local.upstream.settings import Settings


@dataclass(frozen=True)
class Published:
    """One public object. ``prompt`` and ``vendor`` tie it to the fault rules; an uploaded file has no prompt."""

    name: str
    path: Path
    content_type: str
    etag: str
    size_bytes: int
    published_at: float
    prompt: str
    vendor: str
    uploaded: bool


class Shelf:
    """Public, unsigned objects under unguessable names, gone after the retention of the settings."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = tempfile.TemporaryDirectory(prefix="upstream-results-")
        self._objects: dict[str, Published] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def publish(
        self,
        data: bytes,
        suffix: str,
        content_type: str,
        *,
        prompt: str = "",
        vendor: str = APIMODELS,
        uploaded: bool = False,
    ) -> str:
        """Put an object on the shelf; returns its path on the result host, without a leading slash."""
        name = f"{'files' if uploaded else 'images'}/{uuid.uuid4().hex}.{suffix}"
        path = Path(self._folder.name) / name.replace("/", "-")
        path.write_bytes(data)
        self._objects[name] = Published(
            name=name,
            path=path,
            content_type=content_type,
            etag=f'"{hashlib.sha256(data).hexdigest()[:32]}"',
            size_bytes=len(data),
            published_at=self._clock(),
            prompt=prompt,
            vendor=vendor,
            uploaded=uploaded,
        )
        return name

    def find(self, name: str) -> Published | None:
        """The object, unless it never existed or its retention is over."""
        found = self._objects.get(name)
        return None if found is None or self._is_over(found) else found

    def clear_expired(self) -> None:
        """Give the disk space of expired objects back."""
        for found in [each for each in self._objects.values() if self._is_over(each)]:
            del self._objects[found.name]
            found.path.unlink(missing_ok=True)

    def empty(self) -> None:
        """Take everything down."""
        for found in self._objects.values():
            found.path.unlink(missing_ok=True)
        self._objects.clear()

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def _is_over(self, found: Published) -> bool:
        kept = self._settings.file_retention_seconds if found.uploaded else self._settings.retention_seconds
        return self._clock() >= found.published_at + kept
