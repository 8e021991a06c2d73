"""Settings of the function `submit_upload`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.submission import SubmissionSettings


class SubmitUploadSettings(SubmissionSettings):
    """The function submits jobs of uploads."""

    reuse_table: Name
    rejections_table: Name
    upload_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]

    @property
    def upload_deadline(self) -> timedelta:
        """Deadline of jobs of uploads, which come in batches of thousands and queue."""
        return timedelta(seconds=self.upload_deadline_seconds)
