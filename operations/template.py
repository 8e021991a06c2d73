"""template.yaml: its parameters, and the names that its resources take in the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from operations.places import TEMPLATE

# Resources whose names the template gives, by type: the property that holds the name.
_NAMED = {
    "AWS::Events::EventBus": "Name",
    "AWS::Serverless::StateMachine": "Name",
    "AWS::CloudWatch::Dashboard": "DashboardName",
}


@dataclass(frozen=True)
class Template:
    """A template, read."""

    document: Mapping[str, Any]

    @property
    def defaults(self) -> dict[str, str]:
        """Every parameter with its default."""
        return {name: str(parameter.get("Default", "")) for name, parameter in self.document["Parameters"].items()}

    def names(self, *, stack: str, region: str) -> list[tuple[str, str]]:
        """Type and name of every resource whose name must be free before the first deployment."""
        found = []
        for resource in self.document["Resources"].values():
            kind = resource.get("Type") if isinstance(resource, dict) else None  # a loop is no mapping
            if kind in _NAMED and (name := resource["Properties"].get(_NAMED[kind])):
                text = str(name["Fn::Sub"]) if isinstance(name, dict) else str(name)
                found.append((kind, text.replace("${AWS::StackName}", stack).replace("${AWS::Region}", region)))
        return found


@cache
def read_template(file: Path = TEMPLATE) -> Template:
    """The template in that file."""
    return Template(yaml_parse(file.read_text(encoding="utf-8")))
