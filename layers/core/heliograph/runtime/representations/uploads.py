"""Forms for references."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.domain.uploads import UploadForm
from heliograph.runtime.representations import Representation


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
