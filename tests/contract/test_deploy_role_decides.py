"""What IAM decides with the deploy roles' policies, by an evaluator that is not ours (@cloud-copilot/iam-simulate).

It knows AWS's service reference as well: an action that does not exist, or that does not act on such a resource, is an
error and no decision.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from samcli.lib.bootstrap.bootstrap import _get_stack_template

from tests.contract.cfn_template import ROOT, listed
from tests.contract.deploy_role import ACCOUNT, REPOSITORY, DeployRole
from tests.contract.documents import blocks
from tests.contract.handler_permissions import needed
from tests.contract.sam_calls import REGION, SAMS_BUCKET, SAMS_STACK, STACK, Story, calls_of
from tests.contract.stack_calls import BOUNDED, RANDOM, Call, arn, calls_for, of_the_stack
from tests.contract.transformed import whole_stack
from tests.node.programs import Node

ROLES = DeployRole()
OTHER = "another"
RESOURCES: dict[str, dict[str, Any]] = whole_stack()["Resources"]
ALLOWED, DENIED = "Allowed", "ImplicitlyDenied"

# What one stack's role may do to another's resources, because AWS leaves nothing to tell them apart by; the reasons are
# in the template, beside the statements.
INDISTINCT = {
    "apigateway:POST": "/restapis",
    "apigateway:PUT": "/tags/",
    "cloudwatch:DescribeAlarms": "alarm:",
    "lambda:ListTags": "event-source-mapping:",
    "lambda:TagResource": "event-source-mapping:",
    "lambda:UntagResource": "event-source-mapping:",
    "secretsmanager:CreateSecret": "secret:",
    "secretsmanager:TagResource": "secret:",
}


Decide = Callable[[str, Iterable[Call]], dict[str, str]]


def decided(node: Node, roles: DeployRole, role: str, calls: Iterable[Call]) -> dict[str, str]:
    """What IAM says to a role's calls."""
    asked = list(calls)
    shared = {"policies": roles.policies_of(role), "principal": roles.arn(role), "account": ACCOUNT}
    cases = [{**shared, "action": c.action, "resource": c.resource, "context": dict(c.context)} for c in asked]
    answers = json.loads(node.run("decide.mjs", json.dumps({"cases": cases})).stdout)
    return dict(zip(map(str, asked), answers, strict=True))


@pytest.fixture(scope="module")
def decide(node: Node) -> Decide:
    """The same with the roles as they are by default."""
    return lambda role, calls: decided(node, ROLES, role, calls)


def every_call(stack: str) -> list[Call]:
    """All that CloudFormation may call for the resources of a stack of that name."""
    calls = {str(call): call for name, resource in RESOURCES.items() for call in calls_for(name, resource, stack)}
    return list(calls.values())


def test_cloudformation_may_make_change_and_delete_every_resource_of_its_stack(decide: Decide) -> None:
    decisions = decide("CloudFormationRole", every_call(STACK))

    assert [call for call, answer in decisions.items() if answer != ALLOWED] == []
    assert len(decisions) > len(RESOURCES)


def test_cloudformation_may_touch_no_resource_of_another_stack(decide: Decide) -> None:
    calls = [
        call
        for call in every_call(OTHER)
        if call.resource != "*" and INDISTINCT.get(call.action, "nothing") not in call.resource
    ]

    decisions = decide("CloudFormationRole", calls)

    assert [call for call, answer in decisions.items() if answer != DENIED] == []
    assert {"lambda:UpdateFunctionCode", "iam:PutRolePolicy", "apigateway:PATCH", "dynamodb:DeleteTable"} <= {
        call.action for call in calls
    }


def test_another_stacks_event_sources_are_told_by_their_functions(decide: Decide) -> None:
    function = {"lambda:FunctionArn": arn("lambda", f"function:{OTHER}-Sweep-{RANDOM}")}

    assert set(decide("CloudFormationRole", [Call("lambda:CreateEventSourceMapping", "*", function)]).values()) == {
        DENIED
    }


FUNCTION = arn("lambda", f"function:{STACK}-Sweep-{RANDOM}")
ROLE = arn("iam", f"role/{STACK}-SweepRole-{RANDOM}", region="")
SECRET = arn("secretsmanager", f"secret:ProviderKey-{RANDOM[:12]}-AbCdEf")


CLOUDFORMATION_MAY_NOT = [
    Call("iam:CreateUser", arn("iam", f"user/{STACK}-me", region="")),
    Call("iam:CreateAccessKey", arn("iam", f"user/{STACK}-me", region="")),
    Call("iam:CreatePolicy", arn("iam", f"policy/{STACK}-mine", region="")),
    Call("iam:CreateRole", arn("iam", "role/Administrator", region=""), BOUNDED),
    Call("iam:CreateRole", ROLE),
    Call("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    Call("iam:PutRolePolicy", ROLE),
    Call(
        "iam:AttachRolePolicy",
        ROLE,
        {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
    ),
    Call("iam:UpdateAssumeRolePolicy", ROLE),
    Call("iam:PutRolePermissionsBoundary", ROLE, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/Everything"}),
    Call("iam:DeleteRolePermissionsBoundary", ROLE, BOUNDED),
    Call("iam:CreatePolicyVersion", ROLES.arn("Boundary")),
    Call("iam:PutRolePolicy", ROLES.arn("CloudFormationRole"), BOUNDED),
    Call("iam:UpdateAssumeRolePolicy", ROLES.arn("CiRole"), BOUNDED),
    Call("iam:AttachRolePolicy", ROLE, {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess", **BOUNDED}),
    Call("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    Call("iam:PassRole", arn("iam", "role/Administrator", region=""), {"iam:PassedToService": "lambda.amazonaws.com"}),
    Call("lambda:InvokeFunction", FUNCTION),
    Call("lambda:UpdateFunctionCode", FUNCTION.replace(REGION, "us-east-1")),
    Call("dynamodb:Scan", arn("dynamodb", f"table/{STACK}-JobsTable-{RANDOM}")),
    Call("dynamodb:PutItem", arn("dynamodb", f"table/{STACK}-LedgerTable-{RANDOM}")),
    Call("s3:GetObject", f"arn:aws:s3:::{STACK}-resultsbucket-{RANDOM.lower()}/a.png"),
    Call("s3:DeleteObject", f"arn:aws:s3:::{STACK}-resultsbucket-{RANDOM.lower()}/a.png"),
    Call("secretsmanager:PutSecretValue", SECRET, of_the_stack(STACK)),
    Call("sts:AssumeRole", arn("iam", "role/Administrator", region="")),
    Call("cloudformation:DeleteStack", arn("cloudformation", f"stack/{STACK}/1")),
]


def test_cloudformation_may_not_reach_beyond_the_stack_nor_into_its_data(decide: Decide) -> None:
    decisions = decide("CloudFormationRole", CLOUDFORMATION_MAY_NOT)

    assert [call for call, answer in decisions.items() if answer != DENIED] == []


CHANGE = arn("cloudformation", f"stack/{STACK}/1")
MANAGED = arn("cloudformation", f"stack/{SAMS_STACK}/1")


WHO_DEPLOYS_MAY_NOT = [
    Call("cloudformation:CreateChangeSet", CHANGE),
    Call("cloudformation:CreateChangeSet", CHANGE, {"cloudformation:RoleArn": arn("iam", "role/Admin", region="")}),
    Call("cloudformation:ExecuteChangeSet", arn("cloudformation", f"stack/{OTHER}/1")),
    Call("cloudformation:ExecuteChangeSet", arn("cloudformation", f"stack/{STACK}-roles/1")),
    Call("cloudformation:UpdateStack", CHANGE),
    Call("iam:PassRole", arn("iam", "role/Admin", region=""), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
    Call("iam:PassRole", ROLES.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    Call("iam:CreateRole", ROLE),
    Call("lambda:UpdateFunctionCode", FUNCTION),
    Call("s3:PutObject", f"arn:aws:s3:::{SAMS_BUCKET}/{OTHER}/0123456789abcdef"),
    Call("s3:PutObject", f"arn:aws:s3:::{SAMS_BUCKET}/{STACK}/0123", {"aws:ResourceAccount": "999999999999"}),
    Call("s3:GetObject", f"arn:aws:s3:::{STACK}-resultsbucket-{RANDOM.lower()}/a.png"),
    Call("secretsmanager:GetSecretValue", SECRET, of_the_stack(STACK)),
    Call("secretsmanager:PutSecretValue", SECRET, of_the_stack(OTHER)),
    Call("sts:AssumeRole", ROLES.arn("CloudFormationRole")),
]


@pytest.mark.parametrize("role", ["CiRole", "DeployerRole"])
def test_who_deploys_may_neither_touch_resources_nor_deploy_without_the_role(decide: Decide, role: str) -> None:
    decisions = decide(role, WHO_DEPLOYS_MAY_NOT)

    assert [call for call, answer in decisions.items() if answer != DENIED] == []


PEOPLE_MAY = [
    Call("cloudformation:DeleteStack", CHANGE),
    Call("cloudformation:ContinueUpdateRollback", CHANGE),
    Call("cloudformation:CreateChangeSet", MANAGED),
    Call("s3:PutBucketPolicy", f"arn:aws:s3:::{SAMS_BUCKET}"),
    Call("secretsmanager:PutSecretValue", SECRET, of_the_stack(STACK)),
    Call("cloudwatch:GetDashboard", arn("cloudwatch", f"dashboard/{STACK}-{REGION}", region="")),
    Call("events:DescribeEventBus", arn("events", f"event-bus/{STACK}-events")),
    Call("states:DescribeStateMachine", arn("states", f"stateMachine:{STACK}-image-job")),
]


def test_people_may_begin_repair_and_end_what_a_ci_may_only_deploy(decide: Decide) -> None:
    assert set(decide("DeployerRole", PEOPLE_MAY).values()) == {ALLOWED}
    assert set(decide("CiRole", PEOPLE_MAY).values()) == {DENIED}


@pytest.mark.parametrize(
    ("role", "story"),
    [("CiRole", "deployment"), ("DeployerRole", "first-deployment"), ("DeployerRole", "deletion")],
)
def test_every_call_of_the_sam_cli_is_allowed(decide: Decide, role: str, story: Story, tmp_path: Path) -> None:
    calls = [Call(**call) for call in calls_of(story, role_arn=ROLES.arn("CloudFormationRole"), folder=tmp_path)]

    assert [call for call, answer in decide(role, calls).items() if answer != ALLOWED] == []
    assert {"cloudformation:DescribeStacks", "s3:GetObject"} <= {call.action for call in calls}


def test_every_call_of_a_documented_environments_deployment_is_allowed_to_the_ci(node: Node, tmp_path: Path) -> None:
    [samconfig] = blocks(ROOT / "docs" / "deploying.md", "environment")
    section = tomllib.loads(samconfig)["production"]["deploy"]["parameters"]
    roles = DeployRole({"GitHubRepository": REPOSITORY, "StackName": section["stack_name"]}, region=section["region"])
    samconfig = samconfig.replace(section["role_arn"], roles.arn("CloudFormationRole"))

    story = calls_of("deployment", folder=tmp_path, samconfig=samconfig, environment="production")
    decisions = decided(node, roles, "CiRole", [Call(**call) for call in story])

    assert [call for call, answer in decisions.items() if answer != ALLOWED] == []
    assert "role/deployment/" in section["role_arn"]


def test_the_ci_is_stopped_where_sams_bucket_is_still_to_be_made(decide: Decide, tmp_path: Path) -> None:
    calls = [Call(**c) for c in calls_of("first-deployment", role_arn=ROLES.arn("CloudFormationRole"), folder=tmp_path)]

    denied = [call for call, answer in decide("CiRole", calls).items() if answer != ALLOWED]

    assert {call.split()[1] for call in denied} == {MANAGED}


@pytest.mark.parametrize("role", ["CiRole", "DeployerRole"])
def test_who_deploys_may_pass_the_role_and_look_at_the_quotas(decide: Decide, role: str) -> None:
    passing = {"iam:PassedToService": "cloudformation.amazonaws.com"}
    calls = [
        Call("lambda:GetAccountSettings", "*"),
        Call("secretsmanager:ListSecretVersionIds", SECRET, of_the_stack(STACK)),
        Call("iam:PassRole", ROLES.arn("CloudFormationRole"), passing),
    ]

    assert set(decide(role, calls).values()) == {ALLOWED}


def test_people_may_make_sams_bucket_as_sam_makes_it_and_no_other() -> None:
    [statement] = [s for s in ROLES.statements_of("DeployerRole") if s["Sid"] == "MakeSamsBucket"]
    sams = json.loads(_get_stack_template())

    assert set(listed(statement["Action"])) == set(needed(sams, ("create", "read")))
    assert statement["Resource"] == f"arn:aws:s3:::{SAMS_STACK}-samclisourcebucket-*"
