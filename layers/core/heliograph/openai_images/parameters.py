"""What a call of OpenAI's image API asks for, in our words.

Each of its parameters is heeded, or ignored where that costs nobody anything (the answer names it), or refused. The
parameters are those of the official Python client 3.54 (`images.generate`, `images.edit`).
"""

from __future__ import annotations

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

from heliograph.jobs.request import Rules, check_prompt
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import UnusableParameters
from heliograph.kernel.validation import faults_of
from heliograph.openai_images.image_sizes import example_size, is_near, nearest_ratio, read_size, told_sizes
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.routes.config import Routes

MOST_PICTURES = 10
MOST_IMAGES = 16
NO_ALIASES = ModelAliases()


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


def _whole_number(value: object) -> object:
    # Forms have texts only.
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value) else value


def _from_to(least: int, most: int) -> BeforeValidator:
    """For a whole number, also as a text."""

    def check(value: object) -> object:
        value = _whole_number(value)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
            return value
        raise _Wrong(Code.INVALID, f"must be a whole number from {least} to {most}")

    return BeforeValidator(check)


def _count(value: object) -> object:
    return 1 if value is None else value


def _pixels(value: object) -> object:
    if value in (None, "", "auto"):
        return None
    if isinstance(value, str):
        text = value.strip()
        if text in AspectRatio._value2member_map_:
            return AspectRatio(text)
        try:
            found = read_size(text)
        except ValueError as error:
            raise _Wrong(Code.INVALID, str(error)) from None
        if found:
            return found
    raise _Wrong(Code.INVALID, "must be auto, or <width>x<height> in pixels, such as 1536x1024")


def _has_a_ratio(value: tuple[int, int] | AspectRatio | None, info: ValidationInfo) -> Any:
    if value is None:
        return None
    offered = _scope(info).aspect_ratios
    if isinstance(value, AspectRatio):
        if value in offered:
            return value
        raise _Wrong(Code.UNSUPPORTED_VALUE, f"there is no {value} here; choose auto or one of {told_sizes(offered)}")
    width, height = value
    nearest = nearest_ratio(width, height, offered=offered)
    if nearest is AspectRatio.AUTO:
        raise _Wrong(Code.UNSUPPORTED_VALUE, "the model chooses the size itself; leave it out, or say auto")
    if not is_near(width, height, nearest):
        told = (
            f"{width}x{height} has no ratio that the model offers; nearest is {nearest}, such as "
            f"{example_size(nearest)}; choose auto or a size of one of {told_sizes(offered)}"
        )
        raise _Wrong(Code.UNSUPPORTED_VALUE, told)
    return value


def _scope(info: ValidationInfo) -> Routes:
    rules, aliases = _context(info)
    return rules.scope(aliases.model_of(info.data.get("model"), rules.routes))


def _context(info: ValidationInfo) -> tuple[Rules, ModelAliases]:
    context: dict[str, Any] = info.context or {}
    return context["rules"], context["aliases"]


def _is_known(value: str | None, info: ValidationInfo) -> str | None:
    rules, aliases = _context(info)
    if not value:
        return None
    if not aliases.knows(value, rules.routes):
        told = f"there is no model {value[:64]!r} here; there are {', '.join(aliases.every(rules.routes))}"
        raise _Wrong(Code.NO_SUCH_MODEL, told)
    return value


def _one_of(*choices: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is not None and value not in choices:
            raise _Wrong(Code.INVALID, f"must be one of {', '.join(choices)}")
        return value

    return BeforeValidator(check)


def _background(value: object) -> object:
    if value == "transparent":
        told = (
            "transparent backgrounds are not available: every model here makes opaque images only. Leave it out, or "
            "say opaque, and cut the subject out with a tool for that"
        )
        raise _Wrong(Code.UNSUPPORTED_VALUE, told)
    if value not in (None, "auto", "opaque"):
        raise _Wrong(Code.INVALID, "must be one of auto, opaque")
    return value


Nothing = Annotated[None, Field(description="Refused, unless it is null or changes nothing.")]
_IGNORED = "Taken and ignored: "
_ONE_FRAME = "the model makes single pictures only"
_NO_STREAM = "answers come whole; leave it out"

# Parameters that the models have no such choice as, and their values that lose nothing by being ignored.
_WITHOUT_LOSS: Mapping[str, frozenset[object]] = {
    "input_fidelity": frozenset(),
    "output_compression": frozenset(),
    "partial_images": frozenset({0}),
    "quality": frozenset({"auto", "standard"}),
    "style": frozenset(),
}


class ImagesRequest(BaseModel):
    """`POST /v1/images/generations`. Make it with `read_images_request`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    # Checked before the images of the call are stored.
    prompt: Annotated[str, AfterValidator(check_prompt), Field(description="What to make.")]
    model: Annotated[
        str | None,
        AfterValidator(_is_known),
        Field(description="A model of the deployment, or another name of one; the default policy chooses otherwise."),
    ] = None
    n: Annotated[
        int,
        BeforeValidator(_count),
        _from_to(1, MOST_PICTURES),
        Field(ge=1, le=MOST_PICTURES, description="A job for each."),
    ] = 1
    size: Annotated[
        tuple[int, int] | AspectRatio | None,
        BeforeValidator(_pixels),
        AfterValidator(_has_a_ratio),
        WithJsonSchema({"type": "string", "pattern": "^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$"}),
        Field(description="`auto`, or a `<width>x<height>` that has one of the models' ratios, to 3 %."),
    ] = None
    response_format: Annotated[
        Literal["url", "b64_json"] | None,
        _one_of("url", "b64_json"),
        Field(description="What comes: a link, or the image itself. By default as at OpenAI: by the model's name."),
    ] = None
    user: str | None = None
    safety_identifier: str | None = None

    background: Annotated[
        Literal["auto", "opaque"] | None,
        BeforeValidator(_background),
        Field(description="Images are opaque; `transparent` is refused."),
    ] = None
    complexity: Annotated[Nothing, _only(why="the model has no such choice")] = None
    frame_count: Annotated[Nothing, _only(why=_ONE_FRAME)] = None
    frame_duration_ms: Annotated[Nothing, _only(why=_ONE_FRAME)] = None
    output_compression: Annotated[
        int | None, _from_to(0, 100), Field(description=_IGNORED + "the provider compresses as it does.")
    ] = None
    output_format: Annotated[
        Literal["png", "jpeg", "webp"] | None,
        _one_of("png", "jpeg", "webp"),
        Field(description=_IGNORED + "the answer says which format each image has."),
    ] = None
    partial_images: Annotated[
        int | None, _from_to(0, 3), Field(description=_IGNORED + "without `stream`, it has no effect.")
    ] = None
    quality: Annotated[
        Literal["auto", "standard", "hd", "low", "medium", "high", "xhigh", "max"] | None,
        _one_of("auto", "standard", "hd", "low", "medium", "high", "xhigh", "max"),
        Field(description=_IGNORED + "there is one quality, at one price."),
    ] = None
    stream: Annotated[Nothing, _only(False, "false", why=_NO_STREAM)] = None
    svg: Annotated[Nothing, _only(why="the model makes no vector graphics")] = None

    @property
    def is_moderated(self) -> bool:
        """Whether the model's own filter is asked for."""
        return False

    @property
    def wants_base64(self) -> bool:
        """Whether the images themselves are to be in the answer: asked for, or OpenAI's way with such a model."""
        return self.response_format == "b64_json" or (self.response_format is None and not self._answers_links)

    @property
    def wants_links(self) -> bool:
        """Whether links to the images are to be in the answer. Where nothing says which, both are."""
        return self.response_format == "url" or (self.response_format is None and not self._answers_base64)

    @property
    def _answers_links(self) -> bool:
        return self.model is not None and self.model.startswith("dall-e-")

    @property
    def _answers_base64(self) -> bool:
        return self.model is not None and self.model.startswith(("gpt-image-", "chatgpt-image-"))

    @property
    def requested_size(self) -> str:
        """The size as it was asked for."""
        if isinstance(self.size, tuple):
            return "{}x{}".format(*self.size)
        return self.size or "auto"

    def ignored(self, formats: Sequence[str] = ()) -> tuple[str, ...]:
        """The parameters that were taken and ignored. `formats`: those of the images in the answer."""
        names = [
            name
            for name, harmless in _WITHOUT_LOSS.items()
            if (value := getattr(self, name, None)) is not None and value not in harmless
        ]
        if self.output_format and any(found != self.output_format for found in formats):
            names.append("output_format")
        return tuple(sorted(names))

    def job_document(
        self, references: Sequence[str], rules: Rules, aliases: ModelAliases = NO_ALIASES
    ) -> dict[str, Any]:
        """One of the `n` jobs, as `POST /v1/jobs` takes it."""
        document: dict[str, Any] = {"prompt": self.prompt}
        if references:
            document["references"] = list(references)
        model = aliases.model_of(self.model, rules.routes)
        if model is not None:
            document["model"] = model
        if isinstance(self.size, tuple):
            document["aspect_ratio"] = nearest_ratio(*self.size, offered=rules.scope(model).aspect_ratios)
        elif self.size is not None:
            document["aspect_ratio"] = self.size
        if self.is_moderated:
            document["nsfw_checker"] = True
        if user := self.safety_identifier or self.user:
            document["metadata"] = {"user": user}
        return document


class GenerationRequest(ImagesRequest):
    """What only `generations` has."""

    moderation: Annotated[Literal["auto", "low"] | None, _one_of("auto", "low")] = None
    style: Annotated[
        Literal["vivid", "natural"] | None,
        _one_of("vivid", "natural"),
        Field(description=_IGNORED + "the models have no styles; the prompt decides."),
    ] = None

    @property
    def is_moderated(self) -> bool:
        """`auto` asks for it; nothing, as everywhere here, does not."""
        return self.moderation == "auto"


class EditRequest(ImagesRequest):
    """What only `edits` has, but for the images themselves."""

    input_fidelity: Annotated[
        Literal["high", "low"] | None,
        _one_of("high", "low"),
        Field(description=_IGNORED + "how closely it keeps to the images is the model's choice."),
    ] = None
    mask: Annotated[Nothing, _only(why="the model takes no masks; say in the prompt what to change")] = None
    markup: Annotated[Nothing, _only(why="the model takes no overlays; say in the prompt what to change")] = None


def read_images_request(
    kind: type[ImagesRequest], parameters: Mapping[str, Any], rules: Rules, aliases: ModelAliases = NO_ALIASES
) -> ImagesRequest:
    """The request in `parameters`. Raises `UnusableParameters` that names every fault at once."""
    try:
        return kind.model_validate(parameters, context={"rules": rules, "aliases": aliases})
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
