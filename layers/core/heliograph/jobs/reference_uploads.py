"""Pictures that are sent to be references: straight into the uploads bucket, by a form that is signed for each.

Each arrives under `pending/`, where a rule of the bucket deletes everything after a day. The first job that names it
copies it to the place where it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heliograph.kernel.errors import InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.kernel.json_types import JSON_INTEGER
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.validation import faults_of
from heliograph.storage.layout import PENDING_PREFIX, folder_of
from heliograph.storage.references import ObjectLocation

# Inferred from the channel behind the vendor.
MAX_REFERENCE_BYTES = 30 * 1024 * 1024
FORM_SECONDS = 900
# With its extension: a provider judges references by it.
UPLOAD_ID = re.compile(r"up_[a-z2-7]{26}\.(jpg|png|webp)")
_CONTENT_NAME = re.compile(r"[0-9a-f]{64}\.(jpg|png|webp)")
_FOLDER = "references/"


class UploadRequest(BaseModel):
    """What is going to be sent. The form accepts that type, and not a byte more."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    content_type: Annotated[MediaType, Field(description="What the file is.")]
    size_bytes: Annotated[
        int, Field(strict=True, ge=1, le=MAX_REFERENCE_BYTES, description="How large it is."), JSON_INTEGER
    ]


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form that takes one file until `expires_at`: POST to `url`, all `fields` first, then `file`. A secret."""

    upload_id: str
    url: str
    fields: Mapping[str, str]
    expires_at: datetime


def read_upload_request(document: Mapping[str, Any]) -> UploadRequest:
    """The request in `document`. Raises `InvalidRequest` that names every fault at once."""
    try:
        return UploadRequest.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error)) from None


def upload_id_of(tenant: str, call: str, media_type: MediaType) -> str:
    """The id of what that call of that tenant's sends."""
    return f"{derived_id('up', tenant, call)}.{media_type.extension}"


def upload_location(upload_id: str, *, bucket: str, tenant: str) -> ObjectLocation:
    """Where it is kept, once a job names it."""
    return ObjectLocation(bucket, folder_of(tenant) + _FOLDER + upload_id)


def content_location(sha256: str, media_type: MediaType, *, bucket: str, tenant: str) -> ObjectLocation:
    """Where an image is kept that came with a call: named by its content, so that the same is kept once."""
    return ObjectLocation(bucket, f"{folder_of(tenant)}{_FOLDER}{sha256}.{media_type.extension}")


def is_upload(location: ObjectLocation, *, bucket: str, tenant: str) -> bool:
    """Whether that is where an upload of the API, or an image that came with a call, is kept."""
    folder, _, name = location.key.rpartition("/")
    is_ours = UPLOAD_ID.fullmatch(name) or _CONTENT_NAME.fullmatch(name)
    return location.bucket == bucket and f"{folder}/" == folder_of(tenant) + _FOLDER and bool(is_ours)


def media_type_of(location: ObjectLocation) -> MediaType:
    """What an upload of that name was announced to be."""
    extension = location.key.rpartition(".")[2]
    return next(media_type for media_type in MediaType if media_type.extension == extension)


def pending_location(kept: ObjectLocation) -> ObjectLocation:
    """Where an upload lies until a job names it."""
    return ObjectLocation(kept.bucket, PENDING_PREFIX + kept.key)


def kept_location(pending: ObjectLocation) -> ObjectLocation | None:
    """Where a pending upload will be kept; `None` for an object that is not pending."""
    if not pending.key.startswith(PENDING_PREFIX):
        return None
    return ObjectLocation(pending.bucket, pending.key.removeprefix(PENDING_PREFIX))
