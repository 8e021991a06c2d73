"""Published of a preset that can't be used; see events.py."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from heliograph.domain.errors import Fault
from heliograph.domain.failures import Failure
from heliograph.domain.identity import derived_id
from heliograph.domain.published import Envelope, Published
from heliograph.domain.upload_events import UploadFault


class PresetRejectedData(Published):
    """A preset has faults: each upload under it will be rejected. Each pointer leads into the preset's own document.

    `preset` is `null` where the object's key names none.
    """

    bucket: str
    key: str
    version_id: str | None
    preset: str | None
    failure: Failure
    errors: tuple[UploadFault, ...]


class PresetRejected(Envelope):
    """`image.preset.rejected`"""

    event_type: ClassVar = "image.preset.rejected"
    data: PresetRejectedData


def preset_rejected(
    *,
    bucket: str,
    key: str,
    version: str,
    version_id: str | None,
    preset: str | None,
    failure: Failure,
    faults: tuple[Fault, ...],
    at: datetime,
) -> PresetRejected:
    """The event of a preset that can't be used. `version` identifies the very object, in any kind of bucket."""
    return PresetRejected(
        event_id=derived_id("evt", bucket, key, version, "preset rejected"),
        occurred_at=at,
        data=PresetRejectedData(
            bucket=bucket,
            key=key,
            version_id=version_id,
            preset=preset,
            failure=failure,
            errors=tuple(UploadFault(pointer=fault.pointer, detail=fault.detail) for fault in faults),
        ),
    )
