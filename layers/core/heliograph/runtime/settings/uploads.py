"""Settings of the function `uploads`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class UploadsSettings(CallsTableSettings):
    """The function signs forms that upload references, and lists rejected uploads."""

    uploads_bucket: Name
    rejections_table: Name
