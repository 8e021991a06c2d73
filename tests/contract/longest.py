"""The longest value that CloudFormation can give to a variable: with parameters, names and Regions at their longest.

The forms of names and ARNs are AWS's own:
- a name that CloudFormation makes is the stack's, the resource's and twelve or thirteen random characters
  (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html); a bucket has 63 in
  all, and a secret, which may have 512, goes without the stack's name (parseSecretNameForOwnedSecret in the AWS CDK,
  packages/aws-cdk-lib/aws-secretsmanager/lib/secret.ts), but has six more random characters in its ARN.
- an API's id has ten characters, a function URL's 32.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operations.parameters import LONGEST_STACK_NAME

_RANDOM = "R" * 13
_ACCOUNT = "123456789012"
_BUCKET_CHARACTERS = 63


@dataclass(frozen=True)
class Place:
    """A Region, and what CloudFormation calls its surroundings."""

    partition: str
    region: str
    url_suffix: str


@dataclass(frozen=True)
class Longest:
    """`template`: the transformed one. `parameters`: the longest value of each, by name."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    place: Place
    stack: str = "s" * LONGEST_STACK_NAME

    def variables_of(self, function: str) -> dict[str, str]:
        """The function's whole environment."""
        variables = self.template["Resources"][function]["Properties"]["Environment"]["Variables"]
        return {name: self.value(value) for name, value in variables.items()}

    def value(self, value: Any) -> str:
        """As a text."""
        match value:
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._made(name, attribute)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda match: self._ref(match[1]), text)
            case {"Fn::If": [_, then, otherwise]}:
                return max(self.value(then), self.value(otherwise), key=len)
            case str() | int():
                return str(value)
            case _:
                raise NotImplementedError(value)

    def _ref(self, name: str) -> str:
        match name:
            case "AWS::Partition":
                return self.place.partition
            case "AWS::Region":
                return self.place.region
            case "AWS::URLSuffix":
                return self.place.url_suffix
            case "AWS::AccountId":
                return _ACCOUNT
            case "AWS::StackName":
                return self.stack
            case _ if name in self.template["Parameters"]:
                return self.parameters[name]
            case _:
                return self._made(name, "Ref")

    def _made(self, name: str, attribute: str) -> str:
        resource = self.template["Resources"][name]
        at = f"arn:{self.place.partition}:{{service}}:{self.place.region}:{_ACCOUNT}"
        match resource["Type"], attribute:
            case "AWS::DynamoDB::Table", "Ref":
                return f"{self.stack}-{name}-{_RANDOM}"
            case "AWS::S3::Bucket", "Ref":
                return "b" * _BUCKET_CHARACTERS
            case "AWS::Events::EventBus", "Ref":
                return self.value(resource["Properties"]["Name"])
            case "AWS::SecretsManager::Secret", "Id":
                return f"{at.format(service='secretsmanager')}:secret:{name}-{_RANDOM}-a1B2c3"
            case "AWS::StepFunctions::StateMachine", "Ref":
                named = self.value(resource["Properties"]["StateMachineName"])
                return f"{at.format(service='states')}:stateMachine:{named}"
            case "AWS::ApiGateway::RestApi", "Ref":
                return "a1b2c3d4e5"
            case "AWS::Lambda::Url", "FunctionUrl":
                return f"https://{'u' * 32}.lambda-url.{self.place.region}.on.aws/"
            case unknown:
                raise NotImplementedError(unknown)
