"""infrastructure/deploy-role.yaml as IAM gets it: for given parameters, without CloudFormation's functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.contract.cfn_template import ROOT, listed, read_template

PATH = ROOT / "infrastructure" / "deploy-role.yaml"
TEMPLATE = read_template(PATH)
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]

ACCOUNT = "123456789012"
REPOSITORY = "octo-org/octo-repo"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_CHARACTERS = 6144
# The worst name that it could have: as if it were a resource of the stack that its roles deploy.
STACK_OF_THE_ROLES = "heliograph-roles"


@dataclass(frozen=True)
class DeployRole:
    """The template with these parameters; the others are as they are by default."""

    parameters: Mapping[str, str] = field(default_factory=lambda: {"GitHubRepository": REPOSITORY})
    region: str = "eu-central-1"
    partition: str = "aws"

    @property
    def stack_name(self) -> str:
        return self._parameter("StackName")

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Those that there are, by logical id."""
        return {
            name: self._resolved(resource)
            for name, resource in TEMPLATE["Resources"].items()
            if "Condition" not in resource or self._holds({"Condition": resource["Condition"]})
        }

    def arn(self, name: str) -> str:
        """Of a role, or of the boundary."""
        return self._attribute(name)

    @property
    def boundary(self) -> dict[str, Any]:
        """What the stack's roles can allow at most."""
        document: dict[str, Any] = self.resources["Boundary"]["Properties"]["PolicyDocument"]
        return {**document, "Statement": [one for one in document["Statement"] if one != "AWS::NoValue"]}

    def trust_of(self, role: str) -> dict[str, Any]:
        """The one statement of a role's trust policy."""
        [statement] = self.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        return dict(statement)

    def policies_of(self, role: str) -> dict[str, dict[str, Any]]:
        """The documents of a role's policies, by logical id."""
        return {
            name: self.resources[name]["Properties"]["PolicyDocument"]
            for name in self.resources[role]["Properties"]["ManagedPolicyArns"]
        }

    def statements_of(self, role: str) -> list[dict[str, Any]]:
        return [statement for document in self.policies_of(role).values() for statement in document["Statement"]]

    def actions_of(self, role: str) -> set[str]:
        return {action for statement in self.statements_of(role) for action in listed(statement["Action"])}

    def _resolved(self, value: Any) -> Any:
        match value:
            case {"Fn::If": [condition, then, otherwise]}:
                return self._resolved(then if self._holds({"Condition": condition}) else otherwise)
            case {"Ref": name} if name in PARAMETERS or name.startswith("AWS::"):
                return self._parameter(name)
            case {"Ref": "Boundary" | "GitHubProvider" as name}:
                return self._attribute(name)
            case {"Ref": name}:
                return name
            case {"Fn::GetAtt": [name, "Arn"]}:
                return self._attribute(name)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._parameter(found[1]), text)
            case dict():
                parts = {name: self._resolved(part) for name, part in value.items()}
                return {name: part for name, part in parts.items() if part != "AWS::NoValue"}
            case list():
                return [self._resolved(part) for part in value]
            case _:
                return value

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": name} | {"Fn::Condition": name}:
                return self._holds(TEMPLATE["Conditions"][name])
            case {"Fn::Not": [denied]}:
                return not self._holds(denied)
            case {"Fn::And": list(parts)}:
                return all(self._holds(part) for part in parts)
            case {"Fn::Equals": [one, other]}:
                return bool(self._resolved(one) == self._resolved(other))
            case _:
                raise NotImplementedError(condition)

    def _parameter(self, name: str) -> str:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": "AWS::NoValue",
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
        }
        return pseudo[name] if name in pseudo else str(self.parameters.get(name, PARAMETERS[name]["Default"]))

    def _attribute(self, name: str) -> str:
        if name == "GitHubProvider":
            what = "oidc-provider/token.actions.githubusercontent.com"
        else:
            path = TEMPLATE["Resources"][name]["Properties"].get("Path", "/")
            kind = "policy" if name == "Boundary" else "role"
            what = f"{kind}{path}{STACK_OF_THE_ROLES}-{name}-1U44TLUZ7OR55"
        return f"arn:{self.partition}:iam::{ACCOUNT}:{what}"
