"""Result storage: images and uploaded files on disk, until they expire. Thousands would not fit in memory."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.provider.catalogue import APIMODELS
from local.provider.settings import Settings


@dataclass(frozen=True)
class StoredFile:
    """A public file. Fault rules match its ``prompt`` and ``provider``; an uploaded file has no prompt."""

    name: str
    path: Path
    content_type: str
    etag: str
    size_bytes: int
    stored_at: float
    prompt: str
    provider: str
    uploaded: bool


class ResultStorage:
    """Public files without signatures, under unguessable names. They expire after the time that the settings give."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = tempfile.TemporaryDirectory(prefix="provider-results-")
        self._files: dict[str, StoredFile] = {}

    def __len__(self) -> int:
        return len(self._files)

    def store(
        self,
        data: bytes,
        suffix: str,
        content_type: str,
        *,
        prompt: str = "",
        provider: str = APIMODELS,
        uploaded: bool = False,
    ) -> str:
        """Stores a file; returns its path on the result host, without a leading slash."""
        name = f"{'files' if uploaded else 'images'}/{uuid.uuid4().hex}.{suffix}"
        path = Path(self._folder.name) / name.replace("/", "-")
        path.write_bytes(data)
        self._files[name] = StoredFile(
            name=name,
            path=path,
            content_type=content_type,
            etag=f'"{hashlib.sha256(data).hexdigest()[:32]}"',
            size_bytes=len(data),
            stored_at=self._clock(),
            prompt=prompt,
            provider=provider,
            uploaded=uploaded,
        )
        return name

    def find(self, name: str) -> StoredFile | None:
        """The file, or None if it never existed or has expired."""
        found = self._files.get(name)
        return None if found is None or self._is_expired(found) else found

    def clear_expired(self) -> None:
        """Deletes the expired files."""
        for found in [each for each in self._files.values() if self._is_expired(each)]:
            del self._files[found.name]
            found.path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Deletes all files."""
        for found in self._files.values():
            found.path.unlink(missing_ok=True)
        self._files.clear()

    def close(self) -> None:
        """Removes the folder."""
        self._folder.cleanup()

    def _is_expired(self, found: StoredFile) -> bool:
        kept = self._settings.file_retention_seconds if found.uploaded else self._settings.retention_seconds
        return self._clock() >= found.stored_at + kept
