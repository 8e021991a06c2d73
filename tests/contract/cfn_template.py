"""template.yaml as data: CloudFormation's short tags become their long forms (`!Ref X` → `{"Ref": "X"}`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """Knows `!Ref`, `!GetAtt`, `!Sub` and whatever else begins with an exclamation mark."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".")
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_template(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """The whole template."""
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506, a SafeLoader with more tags
    return document


TEMPLATE = read_template()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def resources_of(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of that type, by logical id."""
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


FUNCTIONS = resources_of("AWS::Serverless::Function")
GLOBALS: dict[str, Any] = TEMPLATE["Globals"]["Function"]


def environment_of(function: str) -> dict[str, Any]:
    """What the function finds in its environment: the globals' and its own."""
    own: dict[str, Any] = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    return {**GLOBALS["Environment"]["Variables"], **own}


def variables_of(function: str) -> dict[str, str]:
    """The same with texts for values: parameters as they are by default, resources by made-up names."""
    return {variable: value_of(value) for variable, value in environment_of(function).items()}


def value_of(value: Any, **parameters: str) -> str:
    """As a text: parameters as given or by default, resources by made-up names."""
    match value:
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": name} if name in TEMPLATE["Parameters"]:
            return parameters.get(name, str(TEMPLATE["Parameters"][name]["Default"]))
        case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
            return str(name).lower()
        case {"Fn::If": [condition, then, otherwise]}:
            return value_of(then if holds(condition, **parameters) else otherwise, **parameters)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{[^}]*\}", "x", text)
        case _:
            return str(value)


def holds(condition: str, **parameters: str) -> bool:
    """Whether a condition of the template does, with these parameters and the others as they are by default."""
    return holds_in(TEMPLATE["Conditions"], {"Condition": condition}, parameters)


def holds_in(conditions: dict[str, Any], condition: Any, parameters: dict[str, str]) -> bool:
    """The same, of another template's conditions."""
    match condition:
        case {"Condition": str(name)}:
            return holds_in(conditions, conditions[name], parameters)
        case {"Fn::And": parts}:
            return all(holds_in(conditions, part, parameters) for part in parts)
        case {"Fn::Not": [denied]}:
            return not holds_in(conditions, denied, parameters)
        case {"Fn::Equals": [one, other]}:
            return value_of(one, **parameters) == value_of(other, **parameters)
        case _:
            raise NotImplementedError(condition)


def timeout_of(function: str) -> int:
    """Seconds until Lambda ends it."""
    return int(FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"]))


def statements_of(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Every statement of the role that SAM makes for a function or a state machine."""
    own = (policy for policy in properties.get("Policies", []) if "Statement" in policy)
    return [statement for policy in own for statement in policy["Statement"]]


def listed(value: Any) -> list[Any]:
    """IAM writes one thing as itself and several as a list."""
    return value if isinstance(value, list) else [value]


def names_in(value: Any) -> set[str]:
    """Every logical id that a value mentions."""
    match value:
        case {"Ref": name}:
            return {str(name)}
        case {"Fn::GetAtt": [name, *_]}:
            return {str(name)}
        case {"Fn::Sub": str(text)}:
            return {part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:]}
        case {"Fn::Sub": [str(text), dict(given)]}:
            return (names_in({"Fn::Sub": text}) - given.keys()) | names_in(given)
        case dict():
            return set().union(*(names_in(part) for part in value.values()))
        case list():
            return set().union(*(names_in(part) for part in value))
        case _:
            return set()
