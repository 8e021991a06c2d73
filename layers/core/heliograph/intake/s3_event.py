"""The event that S3 sends through EventBridge for a new object."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from heliograph.intake.submit_upload import Upload


class _Event(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )


class _Bucket(_Event):
    name: str


class _Object(_Event):
    key: str
    etag: str = ""
    version_id: str | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _Detail(_Event):
    bucket: _Bucket
    object: _Object
    reason: str = ""


class ObjectCreated(_Event):
    """S3's `Object Created`, as EventBridge delivers it: unlike S3's own notifications, its keys are not encoded."""

    detail: _Detail

    def upload(self) -> Upload:
        """The announced object."""
        found, reason = self.detail.object, self.detail.reason
        return Upload(self.detail.bucket.name, found.key, found.version_id, found.etag, found.sequencer, reason)
