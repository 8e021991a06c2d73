"""`POST /v1/uploads`: a form that sends a reference straight into the uploads bucket."""

from __future__ import annotations

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


def create_upload(
    request: UploadRequest, *, tenant: str, call: str, objects: ObjectStore, clock: Clock, bucket: str
) -> UploadForm:
    """The form of that call of the tenant's: the same call gives the same id. Writes nothing; free.

    What is sent starts no job, and is deleted after a day unless a job names it.
    """
    upload_id = upload_id_of(tenant, call, request.content_type)
    expires_at = clock.now() + timedelta(seconds=FORM_SECONDS)
    form = objects.presigned_post(
        pending_location(upload_location(upload_id, bucket=bucket, tenant=tenant)),
        content_type=request.content_type,
        size_bytes=request.size_bytes,
        seconds=FORM_SECONDS,
    )
    return UploadForm(upload_id, form.url, form.fields, expires_at)
