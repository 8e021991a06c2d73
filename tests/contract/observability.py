"""infrastructure/observability.yaml, and what template.yaml passes to it."""

from __future__ import annotations

import re
from typing import Any

from tests.contract.cfn_template import RESOURCES as ROOT_RESOURCES
from tests.contract.cfn_template import ROOT, listed, names_in, read_template

PATH = ROOT / "infrastructure" / "observability.yaml"
PASSED: dict[str, Any] = ROOT_RESOURCES["Observability"]["Properties"]["Parameters"]
TEMPLATE = read_template(PATH)
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def resources_of(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of that type, by logical id."""
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


def passed_as(parameter: str) -> list[tuple[str, str | None]]:
    """The resources of template.yaml whose names the parameter holds, in order, each with the condition of its being
    there."""
    return list(_parts(PASSED[parameter], None))


def _parts(value: Any, condition: str | None) -> list[tuple[str, str | None]]:
    match value:
        case {"Fn::Join": [str(), list(parts)]}:
            return [found for part in parts for found in _parts(part, condition)]
        case {"Fn::If": [str(guard), there, {"Ref": "AWS::NoValue"}]}:
            return _parts(there, guard)
        case {"Fn::Sub": str(text)}:
            return [(name, condition) for name in re.findall(r"\$\{(\w+)\}", text)]
        case _:
            return [(name, condition) for name in listed(sorted(names_in(value)))]
