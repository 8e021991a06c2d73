"""The SHA-256 of stored objects: from what the store knows of them, where that is enough; else by reading them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heliograph.jobs.fingerprints import Sources
from heliograph.jobs.request import JobRequest
from heliograph.storage.references import HttpsUrl, ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import ReuseIndex
    from heliograph.storage.objects import ObjectSummary
    from heliograph.storage.ports import ObjectStore

# Limit for all references of a call that have to be read, because its caller is waiting.
MOST_READ_BYTES = 96 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Content hashes of objects. `notes`: hashes of objects that were read are stored for the next time."""

    objects: ObjectStore
    index: ReuseIndex
    notes: bool

    def known(self, summary: ObjectSummary) -> str | None:
        """The SHA-256 of the object's bytes, if that takes no reading."""
        if summary.sha256 or not summary.fingerprint:
            return summary.sha256
        return self.index.sha256_of(summary.fingerprint)

    def note(self, summary: ObjectSummary, sha256: str) -> None:
        """The object was read: an equal fingerprint has these bytes, too."""
        if self.notes and summary.fingerprint and not summary.sha256:
            self.index.note_sha256(summary.fingerprint, sha256)

    def sources_of(
        self, request: JobRequest, *, read: dict[ObjectLocation, str], most_bytes: int | None = None
    ) -> Sources | None:
        """The request's references by their bytes; `None` if one is gone, or to read them all takes too long.

        `read`: those that are known already.
        """
        contents = []
        has_links = False
        left = most_bytes
        for reference in request.references:
            if isinstance(reference, HttpsUrl):
                has_links = True
                contents.append(reference.url)
                continue
            sha256 = read.get(reference)
            if sha256 is None:
                summary = self.objects.summary(reference)
                if summary is None:
                    return None
                sha256 = self.known(summary)
                if sha256 is None:
                    left = None if left is None else left - summary.size_bytes
                    if left is not None and left < 0:
                        return None
                    sha256 = self._read(reference, summary)
            contents.append(sha256)
        return Sources(tuple(contents), has_links)

    def _read(self, location: ObjectLocation, summary: ObjectSummary) -> str:
        digest = hashlib.sha256()
        # The very bytes that the summary is of.
        location = replace(location, version_id=location.version_id or summary.version_id)
        with self.objects.rest(location, start=0) as pieces:
            for piece in pieces:
                digest.update(piece)
        self.note(summary, digest.hexdigest())
        return digest.hexdigest()
