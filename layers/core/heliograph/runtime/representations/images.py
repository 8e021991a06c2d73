"""Pictures and errors in OpenAI's shape. What it has no place for is under `heliograph`, which its clients hand on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from heliograph.domain.failures import Charged
from heliograph.domain.media import MediaType
from heliograph.runtime.representations import Representation


class ImageOrigin(Representation):
    """The job that a picture comes from, and what it is."""

    job_id: Annotated[str, Field(description="`GET /v1/jobs/{id}` tells all of it.")]
    price_usd: str | None
    content_type: MediaType
    width: int
    height: int
    size_bytes: int
    sha256: str
    url_expires_at: AwareDatetime


class Image(Representation):
    """A picture: its link, and itself as base64 where that was asked for and has room."""

    url: Annotated[str, Field(description="Reads the picture for 15 minutes. A secret.")]
    b64_json: str | None = None
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

    failures: Annotated[tuple[MissingImage, ...], Field(description="One for each picture of `n` that is not here.")]


class ImagesAnswer(Representation):
    """200"""

    created: Annotated[int, Field(description="When the first job was made: seconds since 1970.")]
    data: tuple[Image, ...]
    output_format: Annotated[str | None, Field(description="`png`, `jpeg` or `webp`, if all have the same.")] = None
    size: Annotated[str | None, Field(description="`<width>x<height>`, if all have the same.")] = None
    heliograph: ImagesExtra


class OpenAIError(Representation):
    """What went wrong."""

    message: str
    type: str
    param: Annotated[str | None, Field(description="The parameter that it is about.")]
    code: str


class OpenAIErrorAnswer(Representation):
    """Any other status."""

    error: OpenAIError
