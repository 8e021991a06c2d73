"""Published of an upload that starts no job; see events.py."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from heliograph.kernel.errors import Fault
from heliograph.kernel.event_envelope import Envelope, Published
from heliograph.kernel.failures import Failure
from heliograph.kernel.ids import derived_id


class UploadFault(Published):
    """One fault of an upload or its preset: a JSON pointer into the request it amounts to, and what is wrong."""

    pointer: str
    detail: str


class UploadRejectedData(Published):
    """An upload started no job. It stays where it is; fix the fault and upload again."""

    bucket: str
    key: str
    version_id: str | None
    preset: str | None
    failure: Failure
    errors: tuple[UploadFault, ...] = ()


class UploadRejected(Envelope):
    """`image.upload.rejected`"""

    event_type: ClassVar = "image.upload.rejected"
    data: UploadRejectedData


def upload_rejected(
    *,
    bucket: str,
    key: str,
    version: str,
    version_id: str | None,
    preset: str | None,
    failure: Failure,
    faults: tuple[Fault, ...],
    at: datetime,
) -> UploadRejected:
    """The event of an upload that can't become a job. `version` identifies the very upload, in any kind of bucket."""
    return UploadRejected(
        event_id=derived_id("evt", bucket, key, version, "rejected"),
        occurred_at=at,
        data=UploadRejectedData(
            bucket=bucket,
            key=key,
            version_id=version_id,
            preset=preset,
            failure=failure,
            errors=tuple(UploadFault(pointer=fault.pointer, detail=fault.detail) for fault in faults),
        ),
    )
