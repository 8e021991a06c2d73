"""Images and errors in OpenAI's shape. Fields of our own are under `heliograph`; OpenAI's clients keep them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Representation
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.failures import Charged
from heliograph.kernel.media_types import MediaType


class ImageOrigin(Representation):
    """The job that made an image, and the image's properties."""

    job_id: Annotated[str, Field(description="See `GET /v1/jobs/{id}`.")]
    model: Annotated[str, Field(description="The model that made it.")]
    price_usd: str | None
    content_type: MediaType
    width: int
    height: int
    size_bytes: int
    sha256: str
    url_expires_at: AwareDatetime | None = None


class Image(Representation):
    """An image: base64 or a link, as requested. An image that is too large for base64 comes as a link."""

    url: Annotated[str | None, Field(description="Link to the image, valid for an hour. Keep it secret.")] = None
    b64_json: Annotated[str | None, Field(description="The image, base64-encoded.")] = None
    heliograph: ImageOrigin


class MissingImage(Representation):
    """An image that is missing in the response."""

    job_id: Annotated[str | None, Field(description="Null where no job was created.")]
    code: Annotated[str, Field(description="As in a job's `failure`; `still_processing`, `canceled` besides.")]
    message: str
    retryable: bool
    charged: Charged


class ImagesExtra(Representation):
    """Details of the whole response."""

    requested_model: Annotated[str | None, Field(description="The requested model.")] = None
    requested_size: Annotated[str, Field(description="The requested size; `size` is the actual one.")]
    aspect_ratio: Annotated[AspectRatio, Field(description="The ratio that was requested from the model.")]
    ignored: Annotated[tuple[str, ...], Field(description="Parameters that had no effect.")] = ()
    joined: Annotated[bool, Field(description="The jobs are those of an earlier equal call.")] = False
    failures: Annotated[tuple[MissingImage, ...], Field(description="One for each missing image of `n`.")]


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
    """An error in OpenAI's shape."""

    message: str
    type: str
    param: Annotated[str | None, Field(description="The parameter that it is about.")]
    code: str


class OpenAIErrorAnswer(Representation):
    """Any other status."""

    error: OpenAIError
