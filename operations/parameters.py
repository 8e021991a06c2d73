"""Whether parameters of the template can work, before anything is deployed with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from operations.template import read_template

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 4 KB for all variables of a function.
_MOST_BYTES = 2400
_LONGEST_STACK_NAME = 60


def faults_of_parameters(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with them, each in a sentence."""
    return tuple(_faults(parameters))


def fault_of_stack_name(name: str) -> str | None:
    """What is wrong with the name of a stack."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
        return f"The stack name {name} may hold letters, digits and hyphens only, and begins with a letter."
    if len(name) > _LONGEST_STACK_NAME:
        return f"The stack name {name} has {len(name)} characters; {_LONGEST_STACK_NAME} are the most."
    return None


def _faults(parameters: Mapping[str, str]) -> Iterator[str]:
    declared: Mapping[str, Mapping[str, Any]] = read_template().document["Parameters"]
    for name, value in parameters.items():
        if name not in declared:
            yield f"There is no parameter {name}; there are {', '.join(declared)}."
        else:
            yield from _faults_of_one(name, value, declared[name])
    size = sum(len(parameters.get(name, "").encode()) for name in ("Routes", "Tenants"))
    if size > _MOST_BYTES:
        yield (
            f"Routes and Tenants have {size} bytes together; {_MOST_BYTES} are the most, because Lambda takes 4 KB of "
            "variables for a function."
        )


def _faults_of_one(name: str, value: str, declared: Mapping[str, Any]) -> Iterator[str]:
    if (allowed := declared.get("AllowedValues")) and value not in map(str, allowed):
        yield f"{name} is {value!r}; it can be {', '.join(map(str, allowed))}."
    elif (pattern := declared.get("AllowedPattern")) and not re.fullmatch(pattern, value):
        yield f"{name} is {value[:60]!r}, which does not have the form that it must have ({pattern})."
    elif name in {"Routes", "Tenants"}:
        try:
            json.loads(value)
        except ValueError as error:
            yield f"{name} is not valid JSON ({error})."
