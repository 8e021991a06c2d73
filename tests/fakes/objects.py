"""Buckets in a dictionary, versions kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

from heliograph.kernel.errors import Fault, InvalidRequest, ObjectChanged, StorageFailed
from heliograph.kernel.media_types import SNIFF_BYTES
from heliograph.storage.layout import MAX_KEY_BYTES
from heliograph.storage.objects import (
    Copied,
    CopyOutcome,
    Document,
    NotCopied,
    ObjectFacts,
    ObjectSummary,
    Replacing,
    SignedForm,
)
from heliograph.storage.references import ObjectLocation

from tests.fakes.script import Line, Script


@dataclass(frozen=True)
class StoredObject:
    """One version of an object. `size_bytes` may be a pretence: nobody wants 30 MB in a unit test."""

    body: bytes
    version: str
    content_type: str
    metadata: Mapping[str, str]
    size_bytes: int
    # What the store computed of the body when it arrived.
    checksum: Literal["sha256", "crc", "none"] = "crc"

    @property
    def etag(self) -> str:
        """Of the bytes and nothing else, as S3's is."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class InMemoryObjectStore:
    """An `ObjectStore` that keeps every version, checks checksums and key lengths, and fails when told to."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[StoredObject]] = {}
        self._script = Script()
        self.puts: list[ObjectLocation] = []
        self.read_from: list[tuple[ObjectLocation, int]] = []
        self.copies: list[tuple[ObjectLocation, ObjectLocation]] = []
        self.presigned: list[tuple[ObjectLocation, int]] = []
        self.unencoded: list[ObjectLocation] = []

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of one of its methods."""
        self._script.on(method, *lines)

    def repair(self) -> None:
        """From now on every call just works."""
        self._script.clear()

    def drop(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        pretended_bytes: int | None = None,
        checksum: Literal["sha256", "crc", "none"] = "crc",
    ) -> str:
        """Somebody else puts an object; returns its version."""
        size_bytes = len(body) if pretended_bytes is None else pretended_bytes
        return self._keep(bucket, key, body, "application/octet-stream", metadata or {}, size_bytes, checksum)

    def lose(self, location: ObjectLocation) -> None:
        """Somebody else deletes an object, with all its versions."""
        del self._versions[location.bucket, location.key]

    def summary(self, location: ObjectLocation) -> ObjectSummary | None:
        with self._script.playing("summary"):
            found = self.peek(location)
            if found is None:
                return None
            sha256 = hashlib.sha256(found.body).hexdigest()
            return ObjectSummary(
                found.size_bytes,
                found.version,
                found.metadata,
                sha256 if found.checksum == "sha256" else None,
                None if found.checksum == "none" else f"{location.bucket}/{location.key}: {sha256}",
            )

    def copy(
        self,
        source: ObjectLocation,
        target: ObjectLocation,
        *,
        content_type: str,
        sha256: str | None,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> CopyOutcome:
        with self._script.playing("copy"):
            found = self.peek(source)
            if found is None:
                return NotCopied("it is gone")
            if sha256 and hashlib.sha256(found.body).hexdigest() != sha256:
                return NotCopied("its bytes are others")
            there = self.peek(ObjectLocation(target.bucket, target.key))
            if replacing and replacing.etag != (there.etag if there else None):
                raise ObjectChanged(f"{target.key}: PreconditionFailed")
            if len(target.key.encode()) > MAX_KEY_BYTES:
                raise StorageFailed(f"{target.key}: KeyTooLongError")
            version = self._keep(
                target.bucket, target.key, found.body, content_type, metadata, found.size_bytes, "sha256"
            )
            self.copies.append((source, target))
            return Copied(version)

    def delete(self, bucket: str, key: str) -> None:
        """Somebody deletes an object, with all its versions."""
        del self._versions[(bucket, key)]

    def head(self, location: ObjectLocation, *, head_bytes: int = SNIFF_BYTES) -> ObjectFacts | None:
        with self._script.playing("head"):
            found = self.peek(location)
            if found is None:
                return None
            return ObjectFacts(found.size_bytes, found.version, found.metadata, found.body[:head_bytes], found.etag)

    @contextmanager
    def rest(self, location: ObjectLocation, *, start: int) -> Iterator[Iterator[bytes]]:
        with self._script.playing("rest"):
            found = self.peek(location)
            self.read_from.append((location, start))
            yield iter([found.body[start:]] if found else [])

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        with self._script.playing("read"):
            found = self.peek(location)
            if found is None:
                return None
            if found.size_bytes > max_bytes:
                raise InvalidRequest(Fault("", f"{location.key} is larger than the {max_bytes} bytes allowed"))
            return Document(found.body, found.version)

    def presigned_get(self, location: ObjectLocation, *, seconds: int, unencoded: bool = False) -> str:
        with self._script.playing("presigned_get"):
            self.presigned.append((location, seconds))
            if unencoded:
                self.unencoded.append(location)
            return f"https://signed.test/{location.bucket}/{location.key}?version={location.version_id}"

    def presigned_post(
        self, location: ObjectLocation, *, content_type: str, size_bytes: int, seconds: int
    ) -> SignedForm:
        with self._script.playing("presigned_post"):
            fields = {"key": location.key, "Content-Type": content_type}
            return SignedForm(f"https://signed.test/{location.bucket}", fields)

    def put(
        self,
        location: ObjectLocation,
        body: BinaryIO | bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> str:
        with self._script.playing("put"):
            there = self.peek(ObjectLocation(location.bucket, location.key))
            if replacing and replacing.etag != (there.etag if there else None):
                raise ObjectChanged(f"{location.key}: PreconditionFailed")
            whole = body if isinstance(body, bytes) else body.read()
            if hashlib.sha256(whole).hexdigest() != sha256:
                raise StorageFailed(f"{location.key}: BadDigest")
            if len(location.key.encode()) > MAX_KEY_BYTES:
                raise StorageFailed(f"{location.key}: KeyTooLongError")
            version = self._keep(location.bucket, location.key, whole, content_type, metadata, len(whole), "sha256")
            self.puts.append(location)
        return version

    def peek(self, location: ObjectLocation) -> StoredObject | None:
        """The object as it is, past the script: for a test's eyes."""
        versions = self._versions.get((location.bucket, location.key), [])
        if location.version_id is None:
            return versions[-1] if versions else None
        return next((found for found in versions if found.version == location.version_id), None)

    def history(self, location: ObjectLocation) -> list[StoredObject]:
        """All versions of an object, the oldest first."""
        return list(self._versions.get((location.bucket, location.key), []))

    def keys(self, bucket: str) -> set[str]:
        """What lies in a bucket."""
        return {key for held_in, key in self._versions if held_in == bucket}

    def _keep(
        self,
        bucket: str,
        key: str,
        body: bytes,
        content_type: str,
        metadata: Mapping[str, str],
        size_bytes: int,
        checksum: Literal["sha256", "crc", "none"],
    ) -> str:
        versions = self._versions.setdefault((bucket, key), [])
        version = f"v{len(versions) + 1}"
        versions.append(StoredObject(body, version, content_type, dict(metadata), size_bytes, checksum))
        return version
