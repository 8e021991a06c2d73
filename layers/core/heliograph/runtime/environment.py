"""Settings from the environment, which only this module reads, and the types of their fields."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from heliograph.kernel.errors import ConfigurationError
from heliograph.kernel.validation import faults_of


class Settings(BaseModel):
    """Base of the settings models: each field is a variable of the environment, by the same name in capitals.

    No field has a default: template.yaml gives every function exactly the variables that its model names
    (tests/contract/test_environments.py), so a missing variable is an error, and never an unset budget.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


Read = TypeVar("Read", bound=Settings)


def read_settings(model: type[Read], environment: Mapping[str, str] = os.environ) -> Read:
    """The model's settings, validated. Raises `ConfigurationError`, which names all faults."""
    try:
        return model.model_validate({name.lower(): value for name, value in environment.items()})
    except ValidationError as error:
        faults = (f"{fault.pointer.strip('/').upper()}: {fault.detail}" for fault in faults_of(error))
        raise ConfigurationError("; ".join(faults)) from error


def variables_of(model: type[Settings]) -> frozenset[str]:
    """Names of the variables that the model reads."""
    return frozenset(name.upper() for name in model.model_fields)


def parsed(value: object) -> object:
    """The JSON document in a text. Raises `ValueError` if it is no JSON, or repeats a name."""
    return json.loads(value, object_pairs_hook=_without_repeats) if isinstance(value, str) else value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"gives {', '.join(twice)} twice")
    return dict(pairs)


def none_is_none(value: object) -> object:
    """`None` for the word `none`: no variable is empty, because not every runtime passes empty variables on."""
    return None if value == "none" else value


def _is_on(value: object) -> object:
    if value not in {"on", "off"}:
        raise ValueError("must be on or off")
    return value == "on"


Name = Annotated[str, Field(min_length=1)]
"""Name, ARN or URL of a resource of the deployment."""

NameOrNone = Annotated[Name | None, BeforeValidator(none_is_none)]
"""`Name`, or `none`."""

Switch = Annotated[bool, BeforeValidator(_is_on)]
"""`on` or `off`."""
