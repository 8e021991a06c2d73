"""Pictures and errors in OpenAI's shape. What it has no place for is under `heliograph`, which its clients hand on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Representation
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.failures import Charged
from heliograph.kernel.media_types import MediaType


class ImageOrigin(Representation):
    """The job that a picture comes from, and what it is."""

    job_id: Annotated[str, Field(description="`GET /v1/jobs/{id}` tells all of it.")]
    model: Annotated[str, Field(description="The model that made it.")]
    price_usd: str | None
    content_type: MediaType
    width: int
    height: int
    size_bytes: int
    sha256: str
    url_expires_at: AwareDatetime | None = None


class Image(Representation):
    """A picture: as base64, or as a link, as it was asked for. What has no room as base64 comes as a link."""

    url: Annotated[str | None, Field(description="Reads the picture for an hour, with or without a key. A secret.")] = (
        None
    )
    b64_json: Annotated[str | None, Field(description="The picture.")] = None
    heliograph: ImageOrigin


class MissingImage(Representation):
    """A picture that the answer lacks."""

    job_id: Annotated[str | None, Field(description="None where no job was made.")]
    code: Annotated[str, Field(description="As in a job's `failure`; `still_processing`, `canceled` besides.")]
    message: str
    retryable: bool
    charged: Charged


class ImagesExtra(Representation):
    """What there is to say of the answer as a whole."""

    requested_model: Annotated[str | None, Field(description="The model's name as it was asked for.")] = None
    requested_size: Annotated[str, Field(description="The size as it was asked for; `size` says what came.")]
    aspect_ratio: Annotated[AspectRatio, Field(description="The ratio that the model was asked for.")]
    ignored: Annotated[tuple[str, ...], Field(description="Parameters that were taken and had no effect.")] = ()
    joined: Annotated[bool, Field(description="The jobs are those of an equal call before: nothing new was made.")] = (
        False
    )
    failures: Annotated[tuple[MissingImage, ...], Field(description="One for each picture of `n` that is not here.")]


class ImagesAnswer(Representation):
    """200"""

    created: Annotated[int, Field(description="When the first job was made: seconds since 1970.")]
    data: tuple[Image, ...]
    output_format: Annotated[str | None, Field(description="`png`, `jpeg` or `webp`, if all have the same.")] = None
    size: Annotated[str | None, Field(description="`<width>x<height>`, if all have the same.")] = None
    heliograph: ImagesExtra


class ModelEntry(Representation):
    """A name that a call may give as its model."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="Always 0: when a model was made is not known here.")] = 0
    owned_by: str = "heliograph"


class ModelList(Representation):
    """200"""

    object: Literal["list"] = "list"
    data: tuple[ModelEntry, ...]


class OpenAIError(Representation):
    """What went wrong."""

    message: str
    type: str
    param: Annotated[str | None, Field(description="The parameter that it is about.")]
    code: str


class OpenAIErrorAnswer(Representation):
    """Any other status."""

    error: OpenAIError
