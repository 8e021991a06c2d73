"""What somebody may ask for: the one job type behind uploads, job documents and the API.

Text-to-image, editing and the fusion of several images are the same request: the references decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from heliograph.domain.errors import Fault, InvalidRequest, MalformedDocument
from heliograph.domain.faults import faults_of, pointer
from heliograph.domain.object_keys import check_output_key
from heliograph.domain.references import check_public_url, check_reference
from heliograph.domain.routes import AspectRatio, Routes

MAX_METADATA_ENTRIES = 32


class Task(StrEnum):
    """What the model is asked to do; follows from the number of references."""

    TEXT_TO_IMAGE = "text-to-image"
    EDIT = "edit"
    FUSION = "fusion"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a request is measured by: the deployment's routes and the buckets that references may lie in."""

    routes: Routes
    reference_buckets: frozenset[str]


class JobRequest(BaseModel):
    """One wish for a picture, complete and valid. Make it with `read_request`; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # `model` comes before what is measured by its caps, so that those checks can see it.
    model: str = ""
    prompt: str
    references: tuple[str, ...] = ()
    aspect_ratio: AspectRatio = AspectRatio.AUTO
    nsfw_checker: StrictBool = False
    output_key: str | None = None
    webhook_url: str | None = None
    metadata: Annotated[
        dict[
            Annotated[str, StringConstraints(min_length=1, max_length=64)],
            Annotated[str, StringConstraints(max_length=512)],
        ],
        Field(max_length=MAX_METADATA_ENTRIES),
    ] = {}

    @property
    def task(self) -> Task:
        """No reference: generate; one: edit; more: fuse."""
        if not self.references:
            return Task.TEXT_TO_IMAGE
        return Task.EDIT if len(self.references) == 1 else Task.FUSION

    @field_validator("model")
    @classmethod
    def _is_configured(cls, value: str, info: ValidationInfo) -> str:
        rules = _rules(info)
        if rules and rules.routes.serving(value) is None:
            raise ValueError(f"no such model; there are {', '.join(rules.routes.models)}")
        return value

    @field_validator("prompt")
    @classmethod
    def _says_something(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip():
            raise ValueError("must say something")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("is no valid Unicode: it holds half of a surrogate pair") from None
        if rules := _rules(info):
            route = rules.routes.serving(info.data.get("model", ""))
            limit = route.max_prompt_characters if route else rules.routes.longest_prompt
            if len(value) > limit:
                raise ValueError(f"has {len(value)} characters; at most {limit} are allowed")
        return value

    @field_validator("references", mode="after")
    @classmethod
    def _can_be_fetched(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not (rules := _rules(info)):
            return value
        route = rules.routes.serving(info.data.get("model", ""))
        limit = route.max_references if route else rules.routes.most_references
        if len(value) > limit:
            taker = route.model if route else "any model"
            raise ValueError(f"has {len(value)} entries; at most {limit} are allowed on {taker}")
        return value

    @field_validator("aspect_ratio", mode="before")
    @classmethod
    def _is_offered(cls, value: Any) -> Any:
        if value not in AspectRatio._value2member_map_:
            raise ValueError(f"must be one of {', '.join(AspectRatio)}")
        return value

    @field_validator("output_key")
    @classmethod
    def _is_a_key_pattern(cls, value: str | None) -> str | None:
        return value if value is None else check_output_key(value)

    @field_validator("webhook_url")
    @classmethod
    def _is_public(cls, value: str | None) -> str | None:
        return value if value is None else check_public_url(value)

    @model_validator(mode="after")
    def _fits_its_route(self, info: ValidationInfo) -> Self:
        rules = _rules(info)
        route = rules.routes.serving(self.model) if rules else None
        if route and self.aspect_ratio not in route.aspect_ratios:
            raise ValueError(f"aspect_ratio {self.aspect_ratio} is not offered by {self.model}")
        return self


def read_request(document: Mapping[str, Any], rules: Rules) -> JobRequest:
    """The request in `document`, with the default model filled in.

    Raises `InvalidRequest` that names every fault of the document at once, each bad reference on its own.
    """
    faults = [*_bad_references(document.get("references"), rules.reference_buckets)]
    try:
        request = JobRequest.model_validate({"model": rules.routes.default.model, **document}, context={"rules": rules})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error), *faults) from None
    if faults:
        raise InvalidRequest(*faults)
    return request


def read_json_object(body: bytes | str, *, what: str) -> dict[str, Any]:
    """The JSON object in `body`; else `MalformedDocument`, which calls it `what` (`"the body"`)."""
    try:
        # NaN and Infinity are Python's, not JSON's.
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8 JSON"
        raise MalformedDocument(Fault("", f"{what} is no valid JSON: {reason}")) from None
    if not isinstance(document, dict):
        raise MalformedDocument(Fault("", f"{what} must be a JSON object"))
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _bad_references(references: Any, buckets: frozenset[str]) -> list[Fault]:
    """Each reference is checked by itself, so that one answer names every bad one."""
    faults = []
    for index, reference in enumerate(references if isinstance(references, list | tuple) else ()):
        if isinstance(reference, str):  # pydantic names what is no text
            try:
                check_reference(reference, buckets=buckets)
            except ValueError as error:
                faults.append(Fault(pointer("references", index), str(error)))
    return faults


def _rules(info: ValidationInfo) -> Rules | None:
    return (info.context or {}).get("rules")
