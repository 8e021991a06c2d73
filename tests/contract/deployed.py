"""The transformed template as a stack: conditions decided, references filled in with names as long as AWS makes them.

CloudFormation's own part of a deployment, as far as the template uses it. Whatever it does not know, it refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.contract.cfn_template import ROOT, resources_of
from tests.contract.transformed import PARTITIONS, REGION, transformed_template

ACCOUNT = "123456789012"
# State machines have names of 80 characters, and the longest of ours adds "-webhook-delivery".
LONGEST_STACK_NAME = "a" * 63
# The file of each state machine.
WORKFLOWS = {
    name: ROOT / machine["DefinitionUri"] for name, machine in resources_of("AWS::Serverless::StateMachine").items()
}
_SUFFIX = "-A1B2C3D4E5F6"
_NO_VALUE = {"Ref": "AWS::NoValue"}

# The most characters of a name that CloudFormation makes, where a service takes fewer than 255.
_NAME_LIMITS = {
    "AWS::Lambda::Function": 64,
    "AWS::IAM::Role": 64,
    "AWS::S3::Bucket": 63,
    "AWS::SQS::Queue": 80,
    "AWS::Events::Rule": 64,
    "AWS::StepFunctions::StateMachine": 80,
}
# https://docs.aws.amazon.com/service-authorization/latest/reference/ has the formats of each service.
_ARNS = {
    "AWS::ApiGateway::RestApi": "arn:{partition}:apigateway:{region}::/restapis/{name}",
    "AWS::DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "arn:{partition}:events:{region}:{account}:event-bus/{name}",
    "AWS::Events::Rule": "arn:{partition}:events:{region}:{account}:rule/{name}",
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "AWS::Lambda::Alias": "arn:{partition}:lambda:{region}:{account}:function:{name}:live",
    "AWS::Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::LayerVersion": "arn:{partition}:lambda:{region}:{account}:layer:{name}:7",
    "AWS::Lambda::Version": "arn:{partition}:lambda:{region}:{account}:function:{name}:7",
    "AWS::Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
    "AWS::SNS::Topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "AWS::SecretsManager::Secret": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-a1B2c3",
    "AWS::StepFunctions::StateMachine": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
}
# Of these, `Ref` is the ARN.
_NAMED_BY_ARN = {
    "AWS::Lambda::Alias",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Version",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
}
# Where the property is that gives a resource its name, if the template does.
_NAMING_PROPERTIES = {
    "AWS::Events::EventBus": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
_ATTRIBUTES = {
    ("AWS::SecretsManager::Secret", "Id"): "{arn}",
    ("AWS::Lambda::Version", "Version"): "7",
    ("AWS::Lambda::Url", "FunctionUrl"): "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.{region}.on.aws/",
    ("AWS::SQS::Queue", "QueueName"): "{name}",
    ("AWS::SQS::Queue", "QueueUrl"): "https://sqs.{region}.{suffix}/{account}/{name}",
    ("AWS::Logs::LogGroup", "Arn"): "{arn}",
}


_OFF = {"off", "Disabled"}


def on_off_parameters(state: str) -> dict[str, str]:
    """Every parameter with a switch, switched `on` (to whatever it calls that) or `off`."""
    switches = {
        name: next(value for value in parameter["AllowedValues"] if (value in _OFF) == (state == "off"))
        for name, parameter in transformed_template()["Parameters"].items()
        if _OFF & set(map(str, parameter.get("AllowedValues", [])))
    }
    assert {"Alarms", "Dashboards", "Tracing", "SnapStart"} <= switches.keys()
    return switches


@dataclass(frozen=True)
class Deployed:
    """A stack of the template."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    region: str = REGION
    stack: str = "heliograph"

    @cached_property
    def template(self) -> dict[str, Any]:
        """Without conditions: what they leave out is gone. References are as they were."""
        document = transformed_template(self.parameters, region=self.region)
        kept = {
            section: {
                name: self._decided({part: value for part, value in entry.items() if part != "Condition"})
                for name, entry in document.get(section, {}).items()
                if "Condition" not in entry or self.holds(entry["Condition"])
            }
            for section in ("Resources", "Outputs")
        }
        return {part: value for part, value in document.items() if part != "Conditions"} | kept

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Each resource's type and properties, with every reference filled in."""
        return {
            name: {"Type": resource["Type"], "Properties": self.value(resource.get("Properties", {}))}
            for name, resource in self.template["Resources"].items()
        }

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """The properties of every resource of these types, by logical id."""
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] in types}

    def workflow(self, machine: str) -> dict[str, Any]:
        """A state machine's definition with every `${…}` filled in as the template says."""
        given = self.of_type("AWS::StepFunctions::StateMachine")[machine]["DefinitionSubstitutions"]
        text = WORKFLOWS[machine].read_text()
        asked = set(re.findall(r"\$\{(\w+)\}", text))
        assert asked == given.keys(), f"{machine} asks for {sorted(asked)} and is given {sorted(given)}"
        document: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: str(given[match[1]]), text))
        return document

    @property
    def partition(self) -> str:
        return PARTITIONS[self.region]

    def holds(self, condition: Any) -> bool:
        """Decides a condition, given by name or as it is written."""
        match condition:
            case str(name) | {"Condition": str(name)}:
                return self.holds(self._document["Conditions"][name])
            case {"Fn::Not": [denied]}:
                return not self.holds(denied)
            case {"Fn::And": list(all_of)}:
                return all(self.holds(one) for one in all_of)
            case {"Fn::Or": list(any_of)}:
                return any(self.holds(one) for one in any_of)
            case {"Fn::Equals": [one, other]}:
                return bool(self.value(one) == self.value(other))
            case _:
                raise NotImplementedError(condition)

    def value(self, value: Any) -> Any:
        """Fills in every reference."""
        return self._filled_in(self._decided(value))

    def _filled_in(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Sub": [str(text), dict(given)]}:
                return self._substituted(text, given)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Join": [str(between), parts]}:
                return between.join(map(str, self._filled_in(parts)))
            case {"Fn::Select": [index, parts]}:
                return self._filled_in(parts)[int(index)]
            case {"Fn::Split": [str(between), text]}:
                return self._filled_in(text).split(between)
            case dict(properties):
                if any(name.startswith("Fn::") for name in properties):
                    raise NotImplementedError(properties)
                return {name: self._filled_in(part) for name, part in properties.items()}
            case list(parts):
                return [self._filled_in(part) for part in parts]
            case plain:
                return plain

    @cached_property
    def _document(self) -> dict[str, Any]:
        return transformed_template(self.parameters, region=self.region)

    def _decided(self, value: Any) -> Any:
        """Without `Fn::If`, and without what `AWS::NoValue` takes away."""
        match value:
            case {"Fn::If": [str(condition), then, otherwise]}:
                return self._decided(then if self.holds(condition) else otherwise)
            case dict():
                parts = {name: self._decided(part) for name, part in value.items()}
                return {name: part for name, part in parts.items() if part != _NO_VALUE}
            case list():
                return [part for part in map(self._decided, value) if part != _NO_VALUE]
            case _:
                return value

    def _ref(self, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": self._url_suffix,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self._document["Parameters"]:
            return self.parameters.get(name, str(self._document["Parameters"][name].get("Default")))
        kind = self.template["Resources"][name]["Type"]
        if kind in _NAMED_BY_ARN:
            return self._attribute(name, "Arn")
        return self._attribute(name, "QueueUrl") if kind == "AWS::SQS::Queue" else self._name(name)

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self.template["Resources"][name]["Type"]
        known = {
            "name": self._name(name),
            "partition": self.partition,
            "region": self.region,
            "account": ACCOUNT,
            "suffix": self._url_suffix,
        }
        if attribute == "Arn":
            return _ARNS[kind].format(**known)
        pattern = _ATTRIBUTES[kind, attribute]
        return pattern.format(**known, arn=_ARNS.get(kind, "").format(**known))

    def _name(self, name: str) -> str:
        resource = self.template["Resources"][name]
        kind = resource["Type"]
        given = _NAMING_PROPERTIES.get(kind)
        if given and given in resource["Properties"]:
            return str(self.value(resource["Properties"][given]))
        if kind == "AWS::ApiGateway::RestApi":
            return "a1b2c3d4e5"
        if kind in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
            return str(self.value(resource["Properties"]["FunctionName"]))
        own = f"-{name}{_SUFFIX}"
        made = self.stack[: _NAME_LIMITS.get(kind, 255) - len(own)] + own
        return made.lower() if kind == "AWS::S3::Bucket" else made

    def _substituted(self, text: str, given: dict[str, Any]) -> str:
        def one(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if match[1] in given:
                return str(self.value(given[match[1]]))
            return str(self._attribute(name, attribute) if attribute else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text).replace("${!", "${")

    @property
    def _url_suffix(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
