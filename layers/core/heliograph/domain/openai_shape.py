"""What a call of OpenAI's image API asks for, in our words: each of its parameters is heeded or refused, none ignored.

The parameters are those of the official Python client 3.54 (`images.generate`, `images.edit`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from heliograph.domain.errors import UnusableParameters
from heliograph.domain.faults import faults_of
from heliograph.domain.requests import Rules, check_prompt
from heliograph.domain.routes import AspectRatio

MOST_PICTURES = 10
MOST_IMAGES = 16
_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")
_WIDEST = 3


class Code(StrEnum):
    """What can be wrong with a parameter, in OpenAI's words."""

    UNKNOWN = "unknown_parameter"
    MISSING = "missing_required_parameter"
    UNSUPPORTED = "unsupported_parameter"
    UNSUPPORTED_VALUE = "unsupported_value"
    INVALID = "invalid_value"
    NO_SUCH_MODEL = "model_not_found"


class _Wrong(ValueError):
    def __init__(self, code: Code, told: str) -> None:
        super().__init__(told)
        self.code = code


def _only(*harmless: object, why: str) -> BeforeValidator:
    """For a parameter that the model has no such thing as: nothing goes but what would change nothing."""

    def check(value: object) -> None:
        if value is None or any(value is known or (value == known and value is not False) for known in harmless):
            return
        raise _Wrong(Code.UNSUPPORTED_VALUE if harmless else Code.UNSUPPORTED, why)

    return BeforeValidator(check)


def _count(value: object) -> object:
    # Forms have texts only.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,2}", value):
        value = int(value)
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_PICTURES:
        raise _Wrong(Code.INVALID, f"must be a whole number from 1 to {MOST_PICTURES}")
    return value


def _pixels(value: object) -> tuple[int, int] | None:
    if value is None or value == "auto":
        return None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _Wrong(Code.INVALID, "must be auto or <width>x<height>, such as 1536x1024")
    width, height = int(found[1]), int(found[2])
    if not 1 / _WIDEST <= width / height <= _WIDEST:
        raise _Wrong(Code.UNSUPPORTED_VALUE, f"one side must not be more than {_WIDEST} times the other")
    return width, height


def _is_configured(value: str | None, info: ValidationInfo) -> str | None:
    rules: Rules = (info.context or {})["rules"]
    if value is not None and rules.routes.to(value) is None:
        told = f"there is no model {value[:64]!r} here; there are {', '.join(rules.routes.models)}"
        raise _Wrong(Code.NO_SUCH_MODEL, told)
    return value


def _one_of(*choices: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is not None and value not in choices:
            raise _Wrong(Code.INVALID, f"must be one of {', '.join(choices)}")
        return value

    return BeforeValidator(check)


Nothing = Annotated[None, Field(description="Refused, unless it is null or changes nothing.")]
_FORMAT = "the picture's format is the model's choice; each picture of the answer says which it is"
_ONE_FRAME = "the model makes single pictures only"
_ONE_QUALITY = "the model has one quality only; leave it out, or say auto"
_NO_STREAM = "answers come whole; leave it out"


class ImagesRequest(BaseModel):
    """`POST /v1/images/generations`. Make it with `read_images_request`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    # Checked before the images of the call are stored.
    prompt: Annotated[str, AfterValidator(check_prompt), Field(description="What to make.")]
    model: Annotated[
        str | None, AfterValidator(_is_configured), Field(description="One of the deployment's; or the preferred one.")
    ] = None
    n: Annotated[int, BeforeValidator(_count), Field(ge=1, le=MOST_PICTURES, description="A job for each.")] = 1
    size: Annotated[
        tuple[int, int] | None,
        BeforeValidator(_pixels),
        WithJsonSchema({"type": "string", "pattern": "^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$"}),
        Field(description="`auto`, or `<width>x<height>`, of which the nearest ratio is taken."),
    ] = None
    response_format: Annotated[Literal["url", "b64_json"] | None, _one_of("url", "b64_json")] = None
    user: str | None = None
    safety_identifier: str | None = None

    background: Annotated[Nothing, _only("auto", why="it is the model's choice; say it in the prompt")] = None
    complexity: Annotated[Nothing, _only(why="the model has no such choice")] = None
    frame_count: Annotated[Nothing, _only(why=_ONE_FRAME)] = None
    frame_duration_ms: Annotated[Nothing, _only(why=_ONE_FRAME)] = None
    output_compression: Annotated[Nothing, _only(why=_FORMAT)] = None
    output_format: Annotated[Nothing, _only(why=_FORMAT)] = None
    partial_images: Annotated[Nothing, _only(0, "0", why=_NO_STREAM)] = None
    quality: Annotated[Nothing, _only("auto", "standard", why=_ONE_QUALITY)] = None
    stream: Annotated[Nothing, _only(False, "false", why=_NO_STREAM)] = None
    svg: Annotated[Nothing, _only(why="the model makes no vector graphics")] = None

    @property
    def is_moderated(self) -> bool:
        """Whether the model's own filter is asked for."""
        return False

    @property
    def wants_base64(self) -> bool:
        """Whether the pictures themselves are to be in the answer; their links are in any."""
        return self.response_format != "url"

    def job_document(self, references: Sequence[str], rules: Rules) -> dict[str, Any]:
        """One of the `n` jobs, as `POST /v1/jobs` takes it."""
        document: dict[str, Any] = {"prompt": self.prompt}
        if references:
            document["references"] = list(references)
        if self.model is not None:
            document["model"] = self.model
        if self.size is not None:
            document["aspect_ratio"] = nearest_ratio(*self.size, offered=rules.scope(self.model).aspect_ratios)
        if self.is_moderated:
            document["nsfw_checker"] = True
        if user := self.safety_identifier or self.user:
            document["metadata"] = {"user": user}
        return document


class GenerationRequest(ImagesRequest):
    """What only `generations` has."""

    moderation: Annotated[Literal["auto", "low"] | None, _one_of("auto", "low")] = None
    style: Annotated[Nothing, _only(why="the model has no styles; say it in the prompt")] = None

    @property
    def is_moderated(self) -> bool:
        """`auto` asks for it; nothing, as everywhere here, does not."""
        return self.moderation == "auto"


class EditRequest(ImagesRequest):
    """What only `edits` has, but for the images themselves."""

    input_fidelity: Annotated[Nothing, _only(why="how closely it keeps to the images is the model's choice")] = None
    mask: Annotated[Nothing, _only(why="the model takes no masks; say in the prompt what to change")] = None
    markup: Annotated[Nothing, _only(why="the model takes no overlays; say in the prompt what to change")] = None


def read_images_request(kind: type[ImagesRequest], parameters: Mapping[str, Any], rules: Rules) -> ImagesRequest:
    """The request in `parameters`. Raises `UnusableParameters` that names every fault at once."""
    try:
        return kind.model_validate(parameters, context={"rules": rules})
    except ValidationError as error:
        raise UnusableParameters(_code_of(error), *faults_of(error)) from None


def _code_of(error: ValidationError) -> Code:
    first = error.errors(include_url=False, include_input=False)[0]
    match first:
        case {"type": "extra_forbidden"}:
            return Code.UNKNOWN
        case {"type": "missing"}:
            return Code.MISSING
        case {"ctx": {"error": _Wrong(code=code)}}:
            return code
        case _:
            return Code.INVALID


def nearest_ratio(width: int, height: int, *, offered: Sequence[AspectRatio]) -> AspectRatio:
    """The offered ratio nearest to that of a picture of that size: twice too wide is as far as twice too high."""
    wanted = math.log(width / height)
    fixed = [ratio for ratio in offered if ratio is not AspectRatio.AUTO]
    return min(fixed, key=lambda ratio: abs(math.log(_quotient(ratio)) - wanted), default=AspectRatio.AUTO)


def _quotient(ratio: AspectRatio) -> float:
    wide, _, high = ratio.partition(":")
    return int(wide) / int(high)
