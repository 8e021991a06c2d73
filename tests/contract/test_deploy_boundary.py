"""The boundary of the stack's roles: every right that the template gives, and none beyond the stack."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable

import pytest

from tests.contract.cfn_template import listed
from tests.contract.deploy_role import ACCOUNT, MANAGED_POLICY_CHARACTERS, REPOSITORY, DeployRole
from tests.contract.deployed import Deployed
from tests.contract.rights import statements_of
from tests.contract.stack_calls import RANDOM, Call, of_the_stack
from tests.contract.transformed import REGION
from tests.node.programs import Node

KIE_KEY = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:kie-a1B2c3"
ROLES = DeployRole({"GitHubRepository": REPOSITORY, "KieKeySecret": KIE_KEY}, region=REGION)
STACK = Deployed({"Tracing": "Active", "KieKeySecret": KIE_KEY, "PermissionsBoundary": ROLES.arn("Boundary")})
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# Of AWS's policies that SAM gives to functions (AWSLambdaBasicExecutionRole, AWSXrayWriteOnlyAccess) and the template
# to workflows (AWSXRayDaemonWriteAccess): https://docs.aws.amazon.com/aws-managed-policy/latest/reference/
OF_MANAGED_POLICIES = {
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def rights() -> list[Call]:
    """What the stack's roles allow by the template, each on one resource that its pattern fits."""
    calls = (
        Call(action, resource if resource == "*" else resource.replace("*", "x"), context_of(resource))
        for statement in statements_of(STACK)
        if STACK.resources[statement.where]["Type"] == "AWS::IAM::Role"
        for action, resource in itertools.product(statement.actions, statement.resources)
    )
    return list({str(call): call for call in calls}.values())


def context_of(resource: str) -> dict[str, str]:
    return of_the_stack("heliograph") if ":secret:" in resource and resource != KIE_KEY else {}


def within(node: Node, calls: Iterable[Call]) -> dict[str, str]:
    """What IAM says to a role that has every right, within the boundary."""
    asked = list(calls)
    role = f"arn:aws:iam::{ACCOUNT}:role/heliograph-SweepRole-{RANDOM}"
    shared = {"policies": {"all": EVERYTHING}, "boundary": ROLES.boundary, "principal": role, "account": ACCOUNT}
    cases = [{**shared, "action": c.action, "resource": c.resource, "context": dict(c.context)} for c in asked]
    answers = json.loads(node.run("decide.mjs", json.dumps({"cases": cases})).stdout)
    return dict(zip(map(str, asked), answers, strict=True))


def test_every_role_of_the_stack_has_the_boundary() -> None:
    roles = STACK.of_type("AWS::IAM::Role")

    assert {role.get("PermissionsBoundary") for role in roles.values()} == {ROLES.arn("Boundary")}


def test_without_the_parameter_no_role_has_one() -> None:
    assert {role.get("PermissionsBoundary") for role in Deployed().of_type("AWS::IAM::Role").values()} == {None}


def test_every_right_that_the_template_gives_is_within_the_boundary(node: Node) -> None:
    decisions = within(node, rights())

    assert [call for call, answer in decisions.items() if answer != "Allowed"] == []
    assert len(decisions) > 50


def test_the_boundary_holds_no_action_that_nothing_uses() -> None:
    bounded = {action for one in ROLES.boundary["Statement"] for action in listed(one["Action"])}

    assert bounded == {call.action for call in rights()} | OF_MANAGED_POLICIES


@pytest.mark.parametrize("parameters", [{}, {"KieKeySecret": KIE_KEY}])
def test_the_boundary_fits_into_iams_limit(parameters: dict[str, str]) -> None:
    boundary = DeployRole({"StackName": "x" * 22, **parameters}, region="ap-southeast-1").boundary

    assert len(re.sub(r"\s", "", json.dumps(boundary))) <= MANAGED_POLICY_CHARACTERS


def test_whatever_rights_a_deployment_gives_a_role_it_stays_within_the_stack(node: Node) -> None:
    calls = [
        Call("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me"),
        Call("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/heliograph-SweepRole-{RANDOM}"),
        Call("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/Administrator"),
        Call("lambda:UpdateFunctionCode", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:heliograph-Sweep-{RANDOM}"),
        Call("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:another-Sweep-{RANDOM}"),
        Call("s3:GetObject", "arn:aws:s3:::somebodys-bucket/a"),
        Call("s3:DeleteObject", f"arn:aws:s3:::heliograph-resultsbucket-{RANDOM.lower()}/a"),
        Call("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/another-JobsTable-{RANDOM}"),
        Call("dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/heliograph-JobsTable-{RANDOM}"),
        Call("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:database-a1B2c3"),
    ]

    assert set(within(node, calls).values()) == {"ImplicitlyDenied"}
