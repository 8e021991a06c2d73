"""Create a form that sends a reference straight into the uploads bucket: `POST /v1/uploads`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.jobs.reference_uploads import (
    FORM_SECONDS,
    UploadForm,
    UploadRequest,
    pending_location,
    upload_id_of,
    upload_location,
)

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceUploadCreator:
    """Creates upload forms."""

    objects: ObjectStore
    clock: Clock
    bucket: str

    def create(self, request: UploadRequest, *, tenant: str, call_id: str) -> UploadForm:
        """The form for that call of the tenant; the same call gets the same upload id. Writes nothing; free.

        An uploaded file starts no job, and is deleted after a day unless a job names it.
        """
        upload_id = upload_id_of(tenant, call_id, request.content_type)
        expires_at = self.clock.now() + timedelta(seconds=FORM_SECONDS)
        form = self.objects.presigned_post(
            pending_location(upload_location(upload_id, bucket=self.bucket, tenant=tenant)),
            content_type=request.content_type,
            size_bytes=request.size_bytes,
            seconds=FORM_SECONDS,
        )
        return UploadForm(upload_id, form.url, form.fields, expires_at)
