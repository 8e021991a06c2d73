"""Published of a preset that can't be used, or that was stopped; see events.py."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from heliograph.intake.events import UploadFault
from heliograph.kernel.errors import Fault
from heliograph.kernel.event_envelope import Envelope, Published
from heliograph.kernel.failures import Failure
from heliograph.kernel.ids import derived_id


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


class PresetStoppedData(Published):
    """A preset came to more jobs of one source than it may: a loop, as far as anybody can tell.

    Uploads under it are rejected until `preset_key` is written anew, also with the same content.
    """

    preset: str
    bucket: str
    preset_key: str
    preset_version: Annotated[str, Field(description="The version of the preset that was stopped.")]
    upload_key: Annotated[str, Field(description="The upload that was one too many; it started no job.")]
    jobs: Annotated[int, Field(description="How many jobs of that source there would have been on this UTC day.")]
    max_jobs_per_source: Annotated[int, Field(description="How many there may be.")]
    message: str


class PresetStopped(Envelope):
    """`image.preset.stopped`"""

    event_type: ClassVar = "image.preset.stopped"
    data: PresetStoppedData


def preset_stopped(
    *,
    preset: str,
    bucket: str,
    preset_key: str,
    preset_version: str,
    upload_key: str,
    jobs: int,
    most: int,
    at: datetime,
) -> PresetStopped:
    """The one event of that stop: the same version of a preset is stopped once."""
    message = (
        f"one source came to {jobs} jobs under the preset {preset} on one day, and {most} are allowed: most likely "
        f"results are copied back into its folder. Uploads under it are rejected until {preset_key} is written anew; "
        "max_jobs_per_source in it allows more"
    )
    return PresetStopped(
        event_id=derived_id("evt", "preset", bucket, preset_key, preset_version, "stopped"),
        occurred_at=at,
        data=PresetStoppedData(
            preset=preset,
            bucket=bucket,
            preset_key=preset_key,
            preset_version=preset_version,
            upload_key=upload_key,
            jobs=jobs,
            max_jobs_per_source=most,
            message=message,
        ),
    )
