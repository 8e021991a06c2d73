"""Checks of parameters before a deployment: what CloudFormation or the functions would refuse, and what to do.

CloudFormation has one sentence for all faults of a value, and a function reports faults of its settings only when it
starts, after the deployment. Here each fault has a sentence of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from heliograph.kernel.errors import ConfigurationError
from heliograph.kernel.tenants import Tenant
from heliograph.kernel.validation import faults_of, findings_of
from heliograph.routes.config import Route
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.routing import ConfiguredRoutes, RoutesSettings
from heliograph.runtime.settings.tenancy import ConfiguredTenants
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_pascal
from samtranslator.yaml_helper import yaml_parse

LONGEST_STACK_NAME = 63
"""A state machine's name has 80 characters, and the longest of ours adds `-webhook-delivery` to the stack's."""

_TEMPLATE = Path(__file__).parent.parent / "template.yaml"
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")
_AMOUNT_FIELD = re.compile(r"(budget|price)_usd$")
_NAME_IT = "name it with lower-case letters, digits, dots and hyphens, 64 at most"
_GIVE_AN_AMOUNT = 'write an amount of USD above 0 in quotes, such as "0.06" or "25"'
# What to do, by pydantic's type of error.
_WAYS_OUT = {
    "dict_type": 'write a JSON object, such as {"shop": {"weight": 2}}',
    "model_type": "write a JSON object of its fields",
    "tuple_type": "write a JSON list of routes, as the default in template.yaml is one",
    "string_type": "write it in quotes",
}
# Characters of a document that are shown around a syntax error.
_SHOWN_CHARACTERS = 15


class _Parameter(BaseModel):
    """A parameter as template.yaml declares it, in CloudFormation's words."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, extra="ignore", coerce_numbers_to_str=True)

    type: str
    allowed_pattern: str | None = None
    allowed_values: tuple[str, ...] | None = None
    constraint_description: str | None = None
    max_length: int | None = None
    min_value: int | None = None
    max_value: int | None = None


@dataclass(frozen=True)
class _Document:
    """A parameter that is a JSON document of several entries, and the model that the functions read it with."""

    model: TypeAdapter[Any]
    entry: str
    fields: Collection[str]
    to_shorten: str


_DOCUMENTS = {
    "Routes": _Document(
        TypeAdapter(ConfiguredRoutes), "route", Route.model_fields, "leave out fields at their default"
    ),
    "Tenants": _Document(
        TypeAdapter(ConfiguredTenants),
        "tenant",
        Tenant.model_fields,
        "leave out those with weight 1 and no budget, and shorten names",
    ),
}


def faults_of_parameters(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """All faults of these parameters, one sentence each.

    Parameters may be left out: at their default, or as they were last deployed, they are valid.
    """
    return tuple(_faults(parameters))


def fault_of_stack_name(name: str) -> str | None:
    """The fault of a stack's name as a sentence; `None` if it has none."""
    if not _STACK_NAME.fullmatch(name):
        return (
            f"The stack name {name!r} is not one that CloudFormation takes: choose one of letters, digits and hyphens "
            "that begins with a letter."
        )
    if len(name) > LONGEST_STACK_NAME:
        return (
            f"The stack name {name} has {len(name)} characters and may have {LONGEST_STACK_NAME}, because the names of "
            "its state machines begin with it: choose a shorter one."
        )
    return None


@cache
def _declared() -> Mapping[str, _Parameter]:
    document = yaml_parse(_TEMPLATE.read_text(encoding="utf-8"))
    return {name: _Parameter.model_validate(declared) for name, declared in document["Parameters"].items()}


def _faults(parameters: Mapping[str, str]) -> Iterator[str]:
    for name, value in parameters.items():
        declared = _declared().get(name)
        if declared is None:
            yield f"There is no parameter {name}: {_write_instead(name, _declared())}."
        elif name in _DOCUMENTS:
            yield from _faults_of_document(name, value, declared, _DOCUMENTS[name])
        elif fault := _fault_of_value(name, value, declared):
            yield fault
    if fault := _fault_of_routes_and_keys(parameters):
        yield fault


def _write_instead(name: str, known: Collection[str]) -> str:
    by_lower_case = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower_case, n=1)
    return f"write {by_lower_case[near[0]]} instead" if near else f"write one of {', '.join(sorted(known))}"


# ---- Numbers, choices and texts


def _fault_of_value(name: str, value: str, declared: _Parameter) -> str | None:
    if declared.allowed_values is not None:
        if value in declared.allowed_values:
            return None
        return f"{name} is {value!r}: choose one of {', '.join(filter(None, declared.allowed_values))}."
    if declared.type == "Number":
        return _fault_of_number(name, value, declared)
    if declared.max_length is not None and len(value) > declared.max_length:
        return f"{name} has {len(value)} characters and may have {declared.max_length}: shorten it."
    if declared.allowed_pattern and not re.fullmatch(declared.allowed_pattern, value):
        told = declared.constraint_description or f"must match {declared.allowed_pattern}"
        return f"{name} is not valid{_shown(name, value)}: it {told.rstrip('.')}."
    return None


def _shown(name: str, value: str) -> str:
    """The value, unless it may be a key that was given where its ARN belongs."""
    return "" if re.search("key|secret", name, re.IGNORECASE) else f" ({value!r})"


def _fault_of_number(name: str, value: str, declared: _Parameter) -> str | None:
    least, most = declared.min_value, declared.max_value
    if _WHOLE_NUMBER.fullmatch(value):
        number = int(value)
        if (least is None or number >= least) and (most is None or number <= most):
            return None
    bounds = "".join(f" {word} {bound}" for word, bound in (("from", least), ("to", most)) if bound is not None)
    return f"{name} is {value!r}: write a whole number{bounds}."


# ---- JSON documents


def _faults_of_document(name: str, value: str, declared: _Parameter, document: _Document) -> Iterator[str]:
    try:
        content = json.loads(value)
    except json.JSONDecodeError as error:
        near = value[max(0, error.pos - _SHOWN_CHARACTERS) : error.pos + _SHOWN_CHARACTERS]
        yield (
            f"{name} is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}): correct the quotes, "
            f"commas and brackets near {near!r}."
        )
        content = None
    else:
        yield from _faults_of_content(name, value, document)
        if fault := _fault_of_characters(name, value, declared):
            yield fault
    if declared.max_length is not None and len(value) > declared.max_length:
        yield _too_long(name, value, content, declared.max_length, document)


def _faults_of_content(name: str, value: str, document: _Document) -> Iterator[str]:
    try:
        document.model.validate_python(value)
    except ValidationError as error:
        for finding, fault in zip(findings_of(error), faults_of(error), strict=True):
            yield _sentence(name, finding["loc"], finding["type"], fault.detail, document)


def _sentence(name: str, loc: tuple[str | int, ...], kind: str, detail: str, document: _Document) -> str:
    place = [part for part in loc if part != "[key]"]
    owner = _owner(place[0], document) if place else name
    field = str(place[1]) if len(place) > 1 else ""
    where = f"{field} of {owner}" if field else owner
    in_it = f"{name}: " if place else ""
    if kind == "extra_forbidden":
        return f"{in_it}{owner} has no field {field}: {_write_instead(field, document.fields)}."
    if kind == "missing":
        return f"{in_it}{owner} lacks {field}: add it."
    way_out = _NAME_IT if "[key]" in loc else _GIVE_AN_AMOUNT if _AMOUNT_FIELD.search(field) else _WAYS_OUT.get(kind)
    return f"{in_it}{where} is wrong ({detail}): {way_out or 'correct it'}."


def _owner(part: str | int, document: _Document) -> str:
    return f"{document.entry} {part + 1 if isinstance(part, int) else part!r}"


def _fault_of_characters(name: str, value: str, declared: _Parameter) -> str | None:
    """Fault of characters that JSON allows but Lambda's environment counts as up to six bytes."""
    if declared.allowed_pattern is None or re.fullmatch(declared.allowed_pattern, value):
        return None
    strange = next((one for one in value.strip() if not " " <= one <= "~" or one == "\\"), None)
    if strange is not None:
        return f"{name} has the character {strange!r}: write it in one line, in ASCII and without backslashes."
    if value != value.strip():
        return f"{name} has spaces around it: leave them out."
    return None


def _too_long(name: str, value: str, content: object, most: int, document: _Document) -> str:
    told = f"{name} has {len(value):,} characters and may have {most:,}"
    if not isinstance(content, dict | list) or not content:
        return f"{told}: shorten it."
    compact = len(json.dumps(content, separators=(",", ":")))
    if compact <= most:
        return f"{told}: leave out the spaces, without which it has {compact:,}."
    fitting = most * len(content) // compact
    return f"{told}, enough for about {fitting} of its {len(content)} {document.entry}s: {document.to_shorten}."


# ---- Together


def _fault_of_routes_and_keys(parameters: Mapping[str, str]) -> str | None:
    if not {"Routes", "KieKeySecret"} <= parameters.keys():
        return None
    routes, secret = parameters["Routes"], parameters["KieKeySecret"]
    try:
        _DOCUMENTS["Routes"].model.validate_python(routes)
    except ValidationError:
        return None
    try:
        read_settings(RoutesSettings, {"ROUTES": routes, "KIE_KEY_SECRET": secret or "none"})
    except ConfigurationError:
        return "All Routes go through kie and KieKeySecret is empty: give KieKeySecret, or add a route of apimodels."
    return None
