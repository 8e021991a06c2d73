"""Objects of the uploads bucket that started nothing, kept for a while where their owner can find them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from heliograph.intake.events import UploadFault, UploadRejected
from heliograph.intake.preset_events import PresetRejected
from heliograph.kernel.errors import Fault
from heliograph.kernel.failures import Failure
from heliograph.kernel.pagination import PageQuery
from heliograph.storage.layout import JOBS_PREFIX, PRESETS_PREFIX

KEPT = timedelta(days=30)


class RejectedKind(StrEnum):
    """What a rejected object was meant to be."""

    UPLOAD = "upload"
    DOCUMENT = "document"
    PRESET = "preset"


class Rejection(BaseModel):
    """One rejected object: the same however often S3 announced it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    rejection_id: str
    tenant: str
    kind: RejectedKind
    bucket: str
    key: str
    version_id: str | None
    preset: str | None
    failure: Failure
    errors: tuple[UploadFault, ...]
    rejected_at: AwareDatetime

    @property
    def expires_at(self) -> datetime:
        """When it is taken from the list."""
        return self.rejected_at + KEPT

    @classmethod
    def of(cls, event: UploadRejected | PresetRejected, *, tenant: str) -> Rejection:
        """What is kept of an announced rejection."""
        data = event.data
        return cls(
            rejection_id=event.event_id.replace("evt_", "rej_", 1),
            tenant=tenant,
            kind=_kind_of(data.key),
            bucket=data.bucket,
            key=data.key,
            version_id=data.version_id,
            preset=data.preset,
            failure=data.failure,
            errors=data.errors,
            rejected_at=event.occurred_at,
        )


class RejectionQuery(PageQuery):
    """What the list of uploads can be asked. Only those that were rejected are listed; the others are jobs."""

    status: Annotated[Literal["rejected"], Field(description="`rejected`; the others are jobs.")] = "rejected"
    kind: Annotated[RejectedKind | None, Field(description="What they were meant to be.")] = None
    preset: Annotated[str | None, Field(max_length=64, description="One preset's, and the preset itself.")] = None


def headline(faults: Sequence[Fault]) -> str:
    """The first fault, and how many more there are."""
    first, *more = faults
    told = f"{first.pointer}: {first.detail}" if first.pointer else first.detail
    return f"{told} (and {len(more)} more problem{'s' if len(more) > 1 else ''})" if more else told


def _kind_of(key: str) -> RejectedKind:
    if key.startswith(PRESETS_PREFIX):
        return RejectedKind.PRESET
    return RejectedKind.DOCUMENT if key.startswith(JOBS_PREFIX) else RejectedKind.UPLOAD
