"""Settings of the function `create_reference_upload`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class CreateReferenceUploadSettings(CallsTableSettings):
    """The function signs forms that upload references, and lists rejected uploads."""

    uploads_bucket: Name
    rejections_table: Name
