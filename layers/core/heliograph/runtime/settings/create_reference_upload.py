"""The settings of `create_reference_upload`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class CreateReferenceUploadSettings(CallsTableSettings):
    """Forms are signed that put references into the bucket, and rejected uploads are listed."""

    uploads_bucket: Name
    rejections_table: Name
