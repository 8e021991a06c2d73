"""The port of object storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, Protocol

from heliograph.kernel.media_types import SNIFF_BYTES

if TYPE_CHECKING:
    from heliograph.storage.objects import (
        CopyOutcome,
        Document,
        ObjectFacts,
        ObjectSummary,
        Replacing,
        SignedForm,
    )
    from heliograph.storage.references import ObjectLocation


class ObjectStore(Protocol):
    """Buckets. Every method raises `StorageFailed` when the store does not do its part."""

    def head(self, location: ObjectLocation, *, head_bytes: int = SNIFF_BYTES) -> ObjectFacts | None:
        """Size, metadata and first bytes, for one request; `None` where there is no such object (version)."""
        ...

    def summary(self, location: ObjectLocation) -> ObjectSummary | None:
        """Summary of an object by the store: one request, without reading the object. `None` if there is none."""
        ...

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
        """Copies an object inside the store, with metadata of its own, if its bytes still have that `sha256` (hex).

        `sha256`: `None` where the version says which bytes are meant; it is not read then.
        Raises `ObjectChanged` where `replacing` does not hold.
        """
        ...

    def rest(self, location: ObjectLocation, *, start: int) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes from `start` on, in pieces, for one request; whoever has enough may stop. None of a missing one."""
        ...

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        """The whole object; `None` where there is none. Raises `InvalidRequest` for one larger than `max_bytes`."""
        ...

    def presigned_get(self, location: ObjectLocation, *, seconds: int, unencoded: bool = False) -> str:
        """A link that reads the object for `seconds` (less, if our own credentials end before). A secret.

        `unencoded`: whoever fetches it is told that the bytes are the object itself, whatever `Content-Encoding` it was
        stored with.
        """
        ...

    def presigned_post(
        self, location: ObjectLocation, *, content_type: str, size_bytes: int, seconds: int
    ) -> SignedForm:
        """A form that stores that object, of that type, that size at most, for `seconds`.

        No value begins with `<` or `@`, or holds a `;`: clients (`curl -F`) read those as something else than a value.
        """
        ...

    def put(
        self,
        location: ObjectLocation,
        body: BinaryIO | bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> str | None:
        """Stores the object whole or not at all; the store itself verifies `sha256` (hex) on arrival.

        `replacing`: only if the key still holds what it says; else raises `ObjectChanged`, and nothing was written.
        Returns the version's id, where the bucket keeps versions.
        """
        ...
