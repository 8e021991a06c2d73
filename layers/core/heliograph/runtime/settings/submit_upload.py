"""The settings of `submit_upload`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.submission import SubmissionSettings


class SubmitUploadSettings(SubmissionSettings):
    """An upload becomes a job."""

    reuse_table: Name
    rejections_table: Name
    upload_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]

    @property
    def upload_deadline(self) -> timedelta:
        """The deadline of jobs of uploads, which come in batches of thousands and wait for their turn."""
        return timedelta(seconds=self.upload_deadline_seconds)
