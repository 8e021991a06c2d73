"""What template.yaml says of itself: its parameters, and the names that it gives in the account."""

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
    """A template, read. `nested`: the templates of its stacks, which get its name as their parameter StackName."""

    document: Mapping[str, Any]
    nested: tuple[Mapping[str, Any], ...] = ()

    @property
    def defaults(self) -> dict[str, str]:
        """Every parameter with its default."""
        return {name: str(parameter.get("Default", "")) for name, parameter in self.document["Parameters"].items()}

    def names(self, *, stack: str, region: str) -> list[tuple[str, str]]:
        """Type and name of every resource whose name must be free before the first deployment."""
        found = []
        for resource in (one for document in (self.document, *self.nested) for one in document["Resources"].values()):
            kind = resource.get("Type") if isinstance(resource, dict) else None  # a loop is no mapping
            if kind in _NAMED and (name := resource["Properties"].get(_NAMED[kind])):
                text = str(name["Fn::Sub"]) if isinstance(name, dict) else str(name)
                for placeholder, value in (("AWS::StackName", stack), ("StackName", stack), ("AWS::Region", region)):
                    text = text.replace(f"${{{placeholder}}}", value)
                found.append((kind, text))
        return found


@cache
def read_template(file: Path = TEMPLATE) -> Template:
    """The template in that file, and those that it nests."""
    document = yaml_parse(file.read_text(encoding="utf-8"))
    nested = [
        file.parent / resource["Properties"]["TemplateURL"]
        for resource in document["Resources"].values()
        if isinstance(resource, dict) and resource["Type"] == "AWS::CloudFormation::Stack"
    ]
    return Template(document, tuple(yaml_parse(path.read_text(encoding="utf-8")) for path in nested))
