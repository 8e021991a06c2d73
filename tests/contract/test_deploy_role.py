"""The deploy roles have the rights that the template's resource types need, and no others; and who may use them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint_file

from tests.contract.cfn_template import listed
from tests.contract.deploy_role import ACCOUNT, MANAGED_POLICY_CHARACTERS, PARAMETERS, PATH, REPOSITORY, DeployRole
from tests.contract.handler_permissions import NO_ACTIONS, ONLY_WITH, needed, permissions
from tests.contract.transformed import transformed_template, whole_stack

ROLES = DeployRole()
EVERY_ROLE = ("CiRole", "DeployerRole", "CloudFormationRole")
STACK = whole_stack()
RESOURCES: dict[str, dict[str, Any]] = STACK["Resources"]

# What CloudFormation calls besides the handlers of resource types: with a role, it runs the SAM transform as the role.
BESIDES_HANDLERS = {"cloudformation:CreateChangeSet"}

# Statements on everything, with the reason beside them in the template. The event sources' has a condition.
ON_EVERYTHING = {"SeeQuotas", "MakeEventSources", "Unsubscribe", "Look"}

MANAGED_POLICIES_PER_ROLE = 10

# The longest name that CloudFormation may give, where it is short. Roles, functions and rules:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html,
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html,
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html; the others in the same references.
NAME_CHARACTERS = {
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::Events::Rule": 64,
    "AWS::S3::Bucket": 63,
    "AWS::SQS::Queue": 80,
}
RANDOM_CHARACTERS = len("-1U44TLUZ7OR55")


def test_the_template_is_sound() -> None:
    assert [str(match) for match in lint_file(PATH)] == []


def test_cloudformation_may_do_what_the_stacks_resource_types_need() -> None:
    granted = ROLES.actions_of("CloudFormationRole")

    assert {action: types for action, types in needed(STACK).items() if action not in granted} == {}
    assert granted >= BESIDES_HANDLERS


def test_cloudformation_may_do_nothing_that_no_resource_type_needs() -> None:
    assert ROLES.actions_of("CloudFormationRole") - BESIDES_HANDLERS - set(needed(STACK)) == set()


def test_a_new_resource_type_is_noticed() -> None:
    stream = {"Type": "AWS::Kinesis::Stream", "Properties": {}}

    more = needed({"Resources": {**RESOURCES, "Stream": stream}})

    assert "kinesis:CreateStream" in more
    assert "kinesis:CreateStream" not in ROLES.actions_of("CloudFormationRole")


def test_a_property_that_needs_more_rights_is_noticed() -> None:
    table = RESOURCES["JobsTable"]
    encrypted = {**table, "Properties": {**table["Properties"], "SSESpecification": {"SSEEnabled": True}}}

    assert "kms:CreateGrant" not in needed(STACK)
    assert "AWS::DynamoDB::Table" in needed({"Resources": {"JobsTable": encrypted}})["kms:CreateGrant"]


@pytest.mark.parametrize("kind", ONLY_WITH)
def test_only_what_handlers_name_is_left_out(kind: str) -> None:
    excused = set().union(*ONLY_WITH[kind].values())

    assert excused <= permissions(kind)


def test_what_is_no_action_is_named_by_a_handler_of_the_stack() -> None:
    named = set().union(*(permissions(resource["Type"]) for resource in RESOURCES.values()))

    assert set(NO_ACTIONS) <= named


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_every_action_is_named_in_full(role: str) -> None:
    assert [action for action in ROLES.actions_of(role) if not re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action)] == []


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_only_what_has_no_resource_is_allowed_on_everything(role: str) -> None:
    everywhere = {statement["Sid"] for statement in ROLES.statements_of(role) if "*" in listed(statement["Resource"])}

    assert everywhere <= ON_EVERYTHING


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_everything_is_of_this_account_and_region(role: str) -> None:
    other = DeployRole(region="ap-south-1")
    fixed = {
        resource
        for statement in ROLES.statements_of(role)
        for resource in listed(statement["Resource"])
        if statement in other.statements_of(role)
    } - {"*"}

    # What belongs to no Region: buckets, roles, dashboards.
    assert {arn.split(":")[2] for arn in fixed} <= {"s3", "iam", "cloudwatch"}
    assert {arn.split(":")[4] for arn in fixed if arn.split(":")[2] != "s3"} <= {ACCOUNT}


def test_functions_and_workflows_may_be_given_only_the_policies_that_sam_gives_them() -> None:
    [statement] = [s for s in ROLES.statements_of("CloudFormationRole") if "iam:AttachRolePolicy" in s["Action"]]
    given = {
        name
        for tracing in ("Disabled", "Active")
        for resource in transformed_template({"Tracing": tracing})["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for name in re.findall(r"policy/([\w/-]+)", json.dumps(resource["Properties"].get("ManagedPolicyArns", [])))
    }

    allowed = listed(statement["Condition"]["ArnEquals"]["iam:PolicyARN"])
    assert {arn.removeprefix("arn:aws:iam::aws:policy/") for arn in allowed} == given


def test_roles_are_passed_only_to_the_services_that_they_trust() -> None:
    [statement] = [s for s in ROLES.statements_of("CloudFormationRole") if s["Action"] == "iam:PassRole"]
    trusted = {
        service
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::IAM::Role"
        for trust in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for service in listed(trust["Principal"]["Service"])
    }

    assert set(listed(statement["Condition"]["StringEquals"]["iam:PassedToService"])) == trusted


def test_secrets_may_be_made_under_the_names_that_the_stacks_get() -> None:
    [statement] = [s for s in ROLES.statements_of("CloudFormationRole") if s["Sid"] == "MakeSecrets"]
    names = {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::SecretsManager::Secret"}

    assert {arn.rpartition(":")[2] for arn in statement["Resource"]} == {f"{name}-*" for name in names}


def test_the_stacks_name_is_never_cut_in_the_name_of_a_resource() -> None:
    longest = {
        resource["Type"]: PARAMETERS["StackName"]["MaxLength"] + len(f"-{name}") + RANDOM_CHARACTERS
        for name, resource in sorted(RESOURCES.items(), key=lambda named: len(named[0]))
    }

    assert {kind: longest[kind] for kind, most in NAME_CHARACTERS.items() if longest[kind] > most} == {}


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_policies_fit_into_iams_limits_with_the_longest_names(role: str) -> None:
    roles = DeployRole(
        parameters={"GitHubRepository": REPOSITORY, "StackName": "x" * PARAMETERS["StackName"]["MaxLength"]},
        region="ap-southeast-1",
        partition="aws-us-gov",
    )
    sizes = {name: len(re.sub(r"\s", "", json.dumps(document))) for name, document in roles.policies_of(role).items()}

    assert {name: size for name, size in sizes.items() if size > MANAGED_POLICY_CHARACTERS} == {}
    assert len(sizes) <= MANAGED_POLICIES_PER_ROLE


# ---- Who may use them


def condition_of(roles: DeployRole) -> dict[str, Any]:
    return dict(roles.trust_of("CiRole")["Condition"])


def test_the_ci_is_known_by_githubs_tokens_for_aws_of_one_repository_and_environment() -> None:
    trust = ROLES.trust_of("CiRole")

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"] == {
        "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    }
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:octo-org/octo-repo:environment:production",
        }
    }


@pytest.mark.parametrize(
    ("parameters", "subject"),
    [
        ({"GitHubEnvironment": "staging"}, "repo:octo-org/octo-repo:environment:staging"),
        ({"GitHubBranch": "main"}, "repo:octo-org/octo-repo:ref:refs/heads/main"),
        ({"GitHubRepository": "octo-org@1/octo-repo@2"}, "repo:octo-org@1/octo-repo@2:environment:production"),
    ],
)
def test_the_ci_may_be_of_an_environment_or_a_branch_with_ids_or_without(
    parameters: dict[str, str], subject: str
) -> None:
    roles = DeployRole(parameters={"GitHubRepository": REPOSITORY, **parameters})

    assert condition_of(roles)["StringEquals"]["token.actions.githubusercontent.com:sub"] == subject


@pytest.mark.parametrize("name", ["GitHubRepository", "GitHubEnvironment", "GitHubBranch"])
@pytest.mark.parametrize("value", ["*", "octo-org/*", "octo-org/octo-rep?", "octo-org/octo-repo:ref", "a b", "${x}"])
def test_no_part_of_the_subject_can_be_a_pattern_or_bring_another_part(name: str, value: str) -> None:
    assert not re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GitHubRepository", REPOSITORY),
        ("GitHubRepository", "octo-org@123456/octo.repo_1@456789"),
        ("GitHubEnvironment", "production-eu"),
        ("GitHubBranch", "release/1.x"),
        ("StackName", "heliograph-staging"),
    ],
)
def test_usual_names_are_taken(name: str, value: str) -> None:
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)


@pytest.mark.parametrize("name", ["Heliograph", "x*", "1x", "a_b"])
def test_a_stacks_name_that_no_bucket_can_begin_with_is_refused(name: str) -> None:
    assert not re.fullmatch(PARAMETERS["StackName"]["AllowedPattern"], name)


def test_without_a_repository_there_is_nothing_for_a_ci() -> None:
    roles = DeployRole(parameters={})

    assert {"CiRole", "GitHubProvider"} & set(roles.resources) == set()
    assert {"DeployerRole", "CloudFormationRole"} <= set(roles.resources)


def test_a_provider_that_is_there_is_used() -> None:
    roles = DeployRole(parameters={"GitHubRepository": REPOSITORY, "GitHubOidcProvider": "exists"})

    assert "GitHubProvider" not in roles.resources
    assert roles.trust_of("CiRole") == ROLES.trust_of("CiRole")
    assert ROLES.resources["GitHubProvider"]["Properties"]["ClientIdList"] == ["sts.amazonaws.com"]


@pytest.mark.parametrize(
    ("mfa", "condition"), [("on", {"Bool": {"aws:MultiFactorAuthPresent": "true"}}), ("off", None)]
)
def test_people_of_the_account_may_deploy_with_a_second_factor(mfa: str, condition: dict[str, Any] | None) -> None:
    trust = DeployRole(parameters={"RequireMfa": mfa}).trust_of("DeployerRole")

    assert (trust["Principal"], trust["Action"]) == ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "sts:AssumeRole")
    assert trust.get("Condition") == condition
    assert PARAMETERS["RequireMfa"]["Default"] == "on"


def test_the_role_with_the_rights_is_cloudformations_alone() -> None:
    trust = ROLES.trust_of("CloudFormationRole")

    assert (trust["Principal"], trust["Action"]) == ({"Service": "cloudformation.amazonaws.com"}, "sts:AssumeRole")
