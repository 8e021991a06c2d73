"""Every statement that allows or denies something in a deployed stack, and what AWS's reference has against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.contract.cfn_template import listed
from tests.contract.deployed import Deployed
from tests.contract.service_reference import Action, ServiceReference

# The types of condition keys that an operator compares: of `ArnEquals`, `ForAnyValue:StringLike`, `BoolIfExists`.
_COMPARED = {
    "Arn": {"ARN", "ArrayOfARN", "String"},
    "Bool": {"Bool"},
    "Date": {"Date"},
    "IpAddress": {"IPAddress"},
    "NotIpAddress": {"IPAddress"},
    "Null": {"ARN", "ArrayOfARN", "ArrayOfString", "Bool", "Date", "IPAddress", "Numeric", "String"},
    "Numeric": {"Numeric", "Long"},
    "String": {"String", "ArrayOfString", "ARN", "ArrayOfARN"},
}


@dataclass(frozen=True)
class Statement:
    """One statement. `resources`: none in a trust policy, which is about the role itself."""

    where: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: dict[str, dict[str, Any]]


def statements_of(stack: Deployed) -> list[Statement]:
    """Of roles, of what roles may be assumed by, of queues, buckets and topics; and who may invoke which function."""
    found = [
        statement
        for name, resource in stack.resources.items()
        for document in _documents_in(resource["Properties"])
        for statement in _statements_in(name, document)
    ]
    return found + [_permission(stack, name, told) for name, told in stack.of_type("AWS::Lambda::Permission").items()]


def _documents_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy, wherever CloudFormation takes one."""
    match value:
        case {"Statement": _}:
            yield value
        case dict():
            for part in value.values():
                yield from _documents_in(part)
        case list():
            for part in value:
                yield from _documents_in(part)


def _statements_in(where: str, document: dict[str, Any]) -> Iterator[Statement]:
    for statement in listed(document["Statement"]):
        assert not {"NotAction", "NotResource"} & statement.keys(), f"{where}: this is not looked at: {statement}"
        yield Statement(
            where,
            tuple(listed(statement["Action"])),
            tuple(listed(statement.get("Resource", []))),
            statement.get("Condition", {}),
        )


def _permission(stack: Deployed, name: str, permission: dict[str, Any]) -> Statement:
    """As Lambda writes it into the function's resource policy."""
    function = permission["FunctionName"]
    if not function.startswith("arn:"):
        function = (
            stack.value({"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"})
            + function
        )
    conditions: dict[str, dict[str, Any]] = {}
    if "SourceArn" in permission:
        conditions["ArnLike"] = {"aws:SourceArn": permission["SourceArn"]}
    if "SourceAccount" in permission:
        conditions["StringEquals"] = {"aws:SourceAccount": permission["SourceAccount"]}
    if "FunctionUrlAuthType" in permission:
        conditions["StringEquals"] = {"lambda:FunctionUrlAuthType": permission["FunctionUrlAuthType"]}
    if "InvokedViaFunctionUrl" in permission:
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": permission["InvokedViaFunctionUrl"]}
    return Statement(name, (permission["Action"],), (function,), conditions)


def faults_in(statement: Statement, reference: ServiceReference) -> list[str]:
    """What AWS would ignore, or take for something else than was meant."""
    faults = []
    for named in statement.actions:
        actions = reference.matching(named)
        if not actions:
            faults.append(f"{statement.where}: there is no action {named}")
            continue
        for resource in statement.resources:
            if not any(action.applies_to(resource) for action in actions):
                formats = sorted({one for action in actions for one in action.resource_types}) or ["*"]
                faults.append(f"{statement.where}: {named} is not allowed on {resource}, but on {' or '.join(formats)}")
        faults += _faults_in_conditions(statement, named, actions, reference)
    return faults


def _faults_in_conditions(
    statement: Statement, named: str, actions: list[Action], reference: ServiceReference
) -> Iterator[str]:
    for operator, keys in statement.conditions.items():
        base = operator.rpartition(":")[2].removesuffix("IfExists")
        compared = next((types for prefix, types in _COMPARED.items() if base.startswith(prefix)), None)
        for key in keys:
            types = {found for action in actions if (found := reference.type_of_key(key, action))}
            if not types:
                yield f"{statement.where}: {named} knows no condition key {key}"
            elif compared is None or not types & compared:
                yield f"{statement.where}: {operator} does not compare {key}, which is of {' or '.join(sorted(types))}"
