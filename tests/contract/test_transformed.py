"""AWS's quotas and rules, held against what SAM makes of the template: much of it is in no source file."""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter
from typing import Any

import pytest
import yaml
from samcli.yamlhelper import yaml_dump, yaml_parse

from tests.contract.cfn_template import ROOT, listed
from tests.contract.deployed import LONGEST_STACK_NAME, WORKFLOWS, Deployed, on_off_parameters
from tests.contract.transformed import PARTITIONS, transformed_template

EVERYTHING = Deployed(on_off_parameters("on"), stack=LONGEST_STACK_NAME)
LEAST = Deployed(on_off_parameters("off"), stack=LONGEST_STACK_NAME)
STACKS = {"everything": EVERYTHING, "least": LEAST}
ROLES = EVERYTHING.of_type("AWS::IAM::Role")
FUNCTIONS = EVERYTHING.of_type("AWS::Lambda::Function")
ALL_PERMISSIONS = EVERYTHING.of_type("AWS::Lambda::Permission")
OTHER_REGIONS = [region for region, partition in PARTITIONS.items() if partition != "aws"]
# What names the commercial partition, and is wrong in every other.
_COMMERCIAL = re.compile(r"arn:aws:|console\.aws\.amazon\.com")
KIB = 1024


def permissions_of(function: str) -> list[dict[str, Any]]:
    """Who may invoke a function, by any of its names."""
    name = EVERYTHING.value({"Ref": function})
    return [found for found in ALL_PERMISSIONS.values() if named(found["FunctionName"]) == name]


def named(function: str) -> str:
    """The function's name in an ARN of it, or of its alias."""
    return function.split(":")[6] if function.startswith("arn:") else function


def as_lambda_stores_it(logical_id: str, permission: dict[str, Any]) -> dict[str, Any]:
    """A permission as a statement of the function's resource policy."""
    conditions: dict[str, Any] = {}
    if "SourceArn" in permission:
        conditions["ArnLike"] = {"AWS:SourceArn": permission["SourceArn"]}
    if "FunctionUrlAuthType" in permission:
        conditions["StringEquals"] = {"lambda:FunctionUrlAuthType": permission["FunctionUrlAuthType"]}
    if permission.get("InvokedViaFunctionUrl"):
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    return {
        "Sid": f"{EVERYTHING.stack}-{logical_id}-A1B2C3D4E5F6",
        "Effect": "Allow",
        "Principal": {"Service": permission["Principal"]},
        "Action": permission["Action"],
        "Resource": EVERYTHING.value(
            {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"}
        )
        + named(permission["FunctionName"]),
        "Condition": conditions,
    }


def strings_in(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for part in value.values() for text in strings_in(part)]
        case list():
            return [text for part in value for text in strings_in(part)]
        case _:
            return []


def commercial(value: Any) -> list[str]:
    """What of it names the commercial partition."""
    return [text for text in strings_in(value) if _COMMERCIAL.search(text)]


# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
def test_the_stack_is_within_cloudformations_quotas() -> None:
    template = transformed_template()
    assert len(template["Resources"]) <= 500
    assert len(template["Parameters"]) <= 200
    assert len(template["Outputs"]) <= 200
    assert len(json.dumps(template).encode()) <= 1_000_000
    assert all(len(parameter.get("Description", "")) <= 4000 for parameter in template["Parameters"].values())
    assert all(len(str(parameter.get("Default", "")).encode()) <= 4096 for parameter in template["Parameters"].values())


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_resource_policy_is_within_lambdas_quota(function: str) -> None:
    policy = {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [
            as_lambda_stores_it(logical_id, permission)
            for logical_id, permission in ALL_PERMISSIONS.items()
            if permission in permissions_of(function)
        ],
    }
    assert len(json.dumps(policy)) <= 20 * KIB


def test_every_permission_is_of_a_function_of_ours() -> None:
    of_ours = [permission for function in FUNCTIONS for permission in permissions_of(function)]
    assert len(of_ours) == len(ALL_PERMISSIONS)


@pytest.mark.parametrize("name", ALL_PERMISSIONS)
def test_a_service_may_invoke_a_function_for_one_source_only(name: str) -> None:
    permission = ALL_PERMISSIONS[name]
    assert ("SourceArn" in permission) == permission["Principal"].endswith(".amazonaws.com")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: of all inline policies of a role together,
# white space not counted.
@pytest.mark.parametrize("role", ROLES)
def test_a_roles_inline_policies_are_within_iams_quota(role: str) -> None:
    policies = [
        json.dumps(policy["PolicyDocument"], separators=(",", ":")) for policy in ROLES[role].get("Policies", [])
    ]
    assert sum(map(len, policies)) <= 10_240


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_managed_policies_are_within_iams_quota(role: str) -> None:
    assert len(ROLES[role].get("ManagedPolicyArns", [])) <= 10


# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
def test_the_api_is_within_the_gateways_quotas() -> None:
    [api] = EVERYTHING.of_type("AWS::ApiGateway::RestApi").values()
    body = api["Body"]
    paths = {prefix for path in body["paths"] for prefix in prefixes(path)}
    assert len(body["paths"]) > 20
    assert len(paths) <= 300
    assert len(body["components"]["securitySchemes"]) <= 10
    assert len(json.dumps(body)) <= 6 * KIB * KIB
    # Its own policy: SAM makes one where Auth has a ResourcePolicy.
    assert len(json.dumps(body.get("x-amazon-apigateway-policy", {}))) <= 8 * KIB


def prefixes(path: str) -> list[str]:
    """A path, and every one above it: each is a resource of the gateway."""
    parts = path.strip("/").split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html: since October 2025 a public URL needs both.
def test_a_public_function_url_lets_everybody_in() -> None:
    for url in EVERYTHING.of_type("AWS::Lambda::Url").values():
        assert url["AuthType"] == "NONE"
        opened = [
            found
            for found in ALL_PERMISSIONS.values()
            if (found["FunctionName"], found["Principal"]) == (url["TargetFunctionArn"], "*")
        ]
        assert {
            (found["Action"], found.get("FunctionUrlAuthType"), found.get("InvokedViaFunctionUrl")) for found in opened
        } == {
            ("lambda:InvokeFunctionUrl", "NONE", None),
            ("lambda:InvokeFunction", None, True),
        }


def test_nobody_else_may_invoke_a_function_than_aws_itself_and_whoever_calls_a_public_url() -> None:
    public = {url["TargetFunctionArn"] for url in EVERYTHING.of_type("AWS::Lambda::Url").values()}
    for permission in ALL_PERMISSIONS.values():
        assert permission["Principal"].endswith(".amazonaws.com") or permission["FunctionName"] in public


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_the_resources_can_be_made_one_after_another(stack: Deployed) -> None:
    resources = stack.template["Resources"]
    needed = {
        name: (references_in(resource) | set(listed(resource.get("DependsOn", [])))) & resources.keys()
        for name, resource in resources.items()
    }
    assert len(list(TopologicalSorter(needed).static_order())) == len(resources)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_nothing_refers_to_what_a_condition_leaves_out(stack: Deployed) -> None:
    there = stack.template["Resources"].keys() | stack.template["Parameters"].keys()
    for section in ("Resources", "Outputs"):
        for name, part in stack.template[section].items():
            missing = {found for found in references_in(part) - there if not found.startswith("AWS::")}
            assert not missing, f"{section}/{name} refers to {missing}"


def references_in(value: Any) -> set[str]:
    """Every name that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return {name}
        case {"Fn::Sub": [str(text), dict(given)]}:
            return (names_in(text) - given.keys()).union(*map(references_in, given.values()))
        case {"Fn::Sub": str(text)}:
            return names_in(text)
        case dict():
            return set().union(*map(references_in, value.values()))
        case list():
            return set().union(*map(references_in, value))
        case _:
            return set()


def names_in(text: str) -> set[str]:
    return {name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}


def test_what_some_regions_lack_can_be_left_out() -> None:
    # cfn-lint then looks at every Region (`linted.py`), and would find what else is missing somewhere.
    assert LEAST.of_type("AWS::Lambda::Url") == {}


@pytest.mark.parametrize("region", OTHER_REGIONS)
def test_what_sam_makes_elsewhere_names_the_partition_there(region: str) -> None:
    stack = Deployed(on_off_parameters("on"), region=region)
    offenders = {name: found for name, part in stack.resources.items() if (found := commercial(part))}
    assert offenders == {}


@pytest.mark.parametrize("region", OTHER_REGIONS)
def test_an_output_names_no_address_of_another_partition(region: str) -> None:
    stack = Deployed(on_off_parameters("on"), region=region)
    outputs = stack.value(stack.template["Outputs"])
    assert {name: found for name, part in outputs.items() if (found := commercial(part["Value"]))} == {}


@pytest.mark.parametrize("region", OTHER_REGIONS)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_names_the_partition_that_it_runs_in(name: str, region: str) -> None:
    assert commercial(Deployed(region=region).workflow(name)) == []


def aliases_in(template: str) -> int:
    return sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(template))


def test_sam_writes_out_what_the_template_names_once() -> None:
    # CloudFormation takes neither aliases nor merges.
    written = (ROOT / "template.yaml").read_text()
    assert aliases_in(written) > 0
    assert aliases_in(yaml_dump(yaml_parse(written))) == 0
