"""Forms for references, and objects of the uploads bucket that were rejected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Listing, Representation
from heliograph.api.representations.problems import FaultResource
from heliograph.intake.rejections import RejectedKind, Rejection
from heliograph.jobs.reference_uploads import UploadForm
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.kernel.pagination import Page, cursor_of


class UploadResource(Representation):
    """An upload form for one file. Keep it secret until it expires."""

    id: Annotated[str, Field(description="Use it as a reference of a job after the upload.")]
    method: Literal["POST"] = "POST"
    url: Annotated[str, Field(description="URL for the form, sent as multipart/form-data.")]
    fields: Annotated[dict[str, str], Field(description="All of these first, then the file as `file`.")]
    expires_at: AwareDatetime

    @classmethod
    def of(cls, form: UploadForm) -> UploadResource:
        """The form, as the caller sees it."""
        return cls(id=form.upload_id, url=form.url, fields=dict(form.fields), expires_at=form.expires_at)


class RejectedUploadResource(Representation):
    """An object of the uploads bucket that started nothing. It stays where it is; fix the cause and upload it again."""

    id: str
    status: Literal["rejected"] = "rejected"
    kind: Annotated[RejectedKind, Field(description="Kind of object: an image, a job document or a preset.")]
    bucket: str
    key: str
    version_id: str | None
    preset: Annotated[str | None, Field(description="The preset that the object belongs to, or is.")]
    code: FailureCode
    message: Annotated[str, Field(description="The first fault.")]
    errors: Annotated[tuple[FaultResource, ...], Field(description="Every fault.")]
    retryable: Annotated[bool, Field(description="Whether the same object, uploaded again later, may be accepted.")]
    charged: Charged
    rejected_at: AwareDatetime
    expires_at: Annotated[AwareDatetime, Field(description="When it leaves this list.")]

    @classmethod
    def of(cls, rejection: Rejection) -> RejectedUploadResource:
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
            errors=tuple(FaultResource(pointer=fault.pointer, detail=fault.detail) for fault in rejection.errors),
            retryable=failure.retryable,
            charged=failure.charged,
            rejected_at=rejection.rejected_at,
            expires_at=rejection.expires_at,
        )


class RejectedUploadList(Listing[RejectedUploadResource]):
    """Rejected uploads, newest first."""

    @classmethod
    def of(cls, found: Page[Rejection]) -> RejectedUploadList:
        """A page of the list."""
        return cls(
            data=tuple(map(RejectedUploadResource.of, found.items)),
            next_cursor=cursor_of(found.end) if found.end else None,
            has_more=found.end is not None,
        )
