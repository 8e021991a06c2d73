"""Limits that template.yaml sets, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.contract.cfn_template import TEMPLATE, names_in

__all__ = [
    "TEMPLATE",
    "Method",
    "Template",
    "method_rate",
    "methods",
    "polled_queues",
    "queue_concurrency",
    "resources",
]

Template = Mapping[str, Any]


class Method(NamedTuple):
    """A method of the API, and the function behind it."""

    verb: str
    path: str
    function: str
    is_open: bool
    """Whether it can be called without a key."""


def queue_concurrency(function: str, template: Template = TEMPLATE) -> int:
    """How many calls of the function its queue makes at once, at most."""
    for mapping in _mappings(function, template):
        if "ScalingConfig" in mapping:
            return int(_value(mapping["ScalingConfig"]["MaximumConcurrency"], template))
    raise LookupError(f"template.yaml limits no queue of {function}")


def methods(template: Template = TEMPLATE) -> Iterator[Method]:
    """Every method of the API."""
    for name, event in _events(template):
        if event["Type"] == "Api":
            call = event["Properties"]
            is_open = call.get("Auth", {}).get("Authorizer") == "NONE"
            yield Method(call["Method"].upper(), call["Path"], name, is_open)


def method_rate(verb: str, path: str, template: Template = TEMPLATE) -> float:
    """How often that one method may be called in a second: each has a limit of its own."""
    settings = {
        (_plain(each["ResourcePath"]), each["HttpMethod"]): each
        for each in template["Resources"]["Api"]["Properties"]["MethodSettings"]
        if "ThrottlingRateLimit" in each
    }
    for key in ((path, verb), ("/*", "*")):
        if key in settings:
            return float(_value(settings[key]["ThrottlingRateLimit"], template))
    raise LookupError(f"template.yaml does not limit {verb} {path}")


def polled_queues(template: Template = TEMPLATE) -> int:
    """How many queues Lambda reads."""
    return sum(1 for function in _functions(template) for _ in _mappings(function, template))


def resources(kind: str, template: Template = TEMPLATE) -> int:
    """How many there are of a type."""
    return sum(resource["Type"] == kind for resource in template["Resources"].values())


def _plain(path: str) -> str:
    """`/~1v1~1jobs`, as such settings spell it, is `/v1/jobs`."""
    return path.removeprefix("/").replace("~1", "/") if path.startswith("/~1") else path


def _functions(template: Template) -> dict[str, Any]:
    kind = "AWS::Serverless::Function"
    return {name: found["Properties"] for name, found in template["Resources"].items() if found["Type"] == kind}


def _events(template: Template) -> Iterator[tuple[str, Any]]:
    for name, function in _functions(template).items():
        for event in function.get("Events", {}).values():
            yield name, event


def _mappings(function: str, template: Template) -> Iterator[Any]:
    """Of the function's queues: as events of its own, or as resources of their own."""
    for name, event in _events(template):
        if name == function and event["Type"] == "SQS":
            yield event["Properties"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            mapping = resource["Properties"]
            if function in names_in(mapping["FunctionName"]):
                yield mapping


def _value(value: Any, template: Template) -> Any:
    return template["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value
