"""Forms for references, and objects of the uploads bucket that were rejected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Listing, Representation
from heliograph.api.representations.problems import FaultTold
from heliograph.intake.rejections import RejectedKind, Rejection
from heliograph.jobs.reference_uploads import UploadForm
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.kernel.pagination import Page, cursor_of


class UploadTold(Representation):
    """A form that takes one file. A secret until it expires."""

    id: Annotated[str, Field(description="Give it as a reference of a job, once the file is sent.")]
    method: Literal["POST"] = "POST"
    url: Annotated[str, Field(description="Where to send the form, as multipart/form-data.")]
    fields: Annotated[dict[str, str], Field(description="All of these first, then the file as `file`.")]
    expires_at: AwareDatetime

    @classmethod
    def of(cls, form: UploadForm) -> UploadTold:
        """The form for whoever asked."""
        return cls(id=form.upload_id, url=form.url, fields=dict(form.fields), expires_at=form.expires_at)


class RejectedUploadTold(Representation):
    """An object of the uploads bucket that started nothing. It stays where it is; fix the cause and upload it again."""

    id: str
    status: Literal["rejected"] = "rejected"
    kind: Annotated[RejectedKind, Field(description="What it was meant to be: an image, a job document, or a preset.")]
    bucket: str
    key: str
    version_id: str | None
    preset: Annotated[str | None, Field(description="The preset that it lies under, or that it is.")]
    code: FailureCode
    message: Annotated[str, Field(description="The first fault.")]
    errors: Annotated[tuple[FaultTold, ...], Field(description="Every fault.")]
    retryable: Annotated[bool, Field(description="Whether the same object, uploaded again later, may be accepted.")]
    charged: Charged
    rejected_at: AwareDatetime
    expires_at: Annotated[AwareDatetime, Field(description="When it is taken from this list.")]

    @classmethod
    def of(cls, rejection: Rejection) -> RejectedUploadTold:
        """The rejection for its owner."""
        failure = rejection.failure
        return cls(
            id=rejection.rejection_id,
            kind=rejection.kind,
            bucket=rejection.bucket,
            key=rejection.key,
            version_id=rejection.version_id,
            preset=rejection.preset,
            code=failure.code,
            message=failure.message,
            errors=tuple(FaultTold(pointer=fault.pointer, detail=fault.detail) for fault in rejection.errors),
            retryable=failure.retryable,
            charged=failure.charged,
            rejected_at=rejection.rejected_at,
            expires_at=rejection.expires_at,
        )


def rejections_listed(found: Page[Rejection]) -> Listing[RejectedUploadTold]:
    """A slice of them."""
    return Listing[RejectedUploadTold](
        data=tuple(map(RejectedUploadTold.of, found.items)),
        next_cursor=cursor_of(found.end) if found.end else None,
        has_more=found.end is not None,
    )
