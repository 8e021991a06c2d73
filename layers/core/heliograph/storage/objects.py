"""Objects in buckets and images at the provider, as far as they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from heliograph.kernel.media_types import MediaType


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """Facts about an object. `head`: its first bytes, `SNIFF_BYTES` at most unless more were asked for."""

    size_bytes: int
    version_id: str | None
    metadata: Mapping[str, str]
    head: bytes
    # Of the object's bytes and nothing else; quoted, as the store writes it.
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Replacing:
    """The condition of a write: the key still holds the object of that ETag; `None`: it still holds no object."""

    etag: str | None


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """What the store itself knows of an object's bytes. `sha256`: in hex, where the store computed it over the whole.

    `fingerprint`: of the store's checksums, the size and the ETag together; two objects with the same have the same
    bytes. None where the store has no checksum of the object: an ETag alone is no proof.
    """

    size_bytes: int
    version_id: str | None
    metadata: Mapping[str, str]
    sha256: str | None
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy is there."""

    version_id: str | None


@dataclass(frozen=True, slots=True)
class NotCopied:
    """There is nothing to copy: the object is gone, or its bytes are others."""

    reason: str


CopyOutcome = Copied | NotCopied


@dataclass(frozen=True, slots=True)
class Document:
    """A small object, read whole. `version`: its version id, or its ETag where the bucket keeps none."""

    body: bytes
    version: str


@dataclass(frozen=True, slots=True)
class SignedForm:
    """Stores one object: a multipart POST to `url`, with all `fields` first, then `file`. A secret."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DownloadedImage:
    """A downloaded and verified result: complete, an image by its bytes, within the size limit. `sha256` in hex."""

    file: BinaryIO
    media_type: MediaType
    size_bytes: int
    sha256: str
    width: int
    height: int
