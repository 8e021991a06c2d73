"""The template as SAM hands it to CloudFormation: what SAM adds to it, and what a Region or a partition lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.cfn_template import FUNCTIONS, RESOURCES, ROOT, TEMPLATE, names_in, resources_of
from tests.contract.transformed import transformed_template

LOGS, TRACES = "service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"
ROLES_OF_MACHINES = {f"{name}Role" for name in resources_of("AWS::Serverless::StateMachine")}
# Types that some Region lacks: https://docs.aws.amazon.com/lambda/latest/dg/lambda-urls.html
NOT_EVERYWHERE = {"AWS::Lambda::Url"}


def of_type(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """Every resource of that type, by logical id."""
    resources = transformed_template(parameters)["Resources"]
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def managed_policies(role: dict[str, Any]) -> set[str]:
    """The names of AWS's own policies."""
    arns = role["Properties"].get("ManagedPolicyArns", [])
    return {str(arn).partition(":iam::aws:policy/")[2] for arn in arns}


@pytest.mark.parametrize(("tracing", "allowed"), [("Disabled", {LOGS}), ("Active", {LOGS, TRACES})])
def test_a_function_has_its_own_rights_and_may_write_logs_and_nothing_more(tracing: str, allowed: set[str]) -> None:
    roles = of_type("AWS::IAM::Role", Tracing=tracing)
    assert {name.removesuffix("Role") for name in roles} == {*FUNCTIONS, *resources_of("AWS::Serverless::StateMachine")}
    for name, role in roles.items():
        if name not in ROLES_OF_MACHINES:
            assert managed_policies(role) == allowed, name


def test_a_function_is_traced_only_if_somebody_asks_for_it() -> None:
    assert not [
        name for name, made in of_type("AWS::Lambda::Function").items() if "TracingConfig" in made["Properties"]
    ]
    for made in of_type("AWS::Lambda::Function", Tracing="Active").values():
        # CloudFormation fills it in.
        assert made["Properties"]["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}


@pytest.mark.parametrize("kind", NOT_EVERYWHERE)
def test_what_some_region_lacks_can_be_left_out(kind: str) -> None:
    found = of_type(kind)
    assert found
    for resource in found.values():
        assert resource["Condition"] == "HasOpenAiImages"
    assert TEMPLATE["Parameters"]["OpenAiImages"]["AllowedValues"] == ["on", "off"]


def unguarded(value: Any, true: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """Every logical id that a value mentions, with the conditions that hold where it does."""
    match value:
        case {"Fn::If": [condition, then, otherwise]}:
            yield from unguarded(then, true | {condition})
            yield from unguarded(otherwise, true)
        case {"Fn::Sub": [str(text), dict(given)]}:
            yield from ((name, true) for name in names_in({"Fn::Sub": text}) - given.keys())
            yield from unguarded(given, true)
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _}:
            yield from ((name, true) for name in names_in(value))
        case dict():
            for part in value.values():
                yield from unguarded(part, true)
        case list():
            for part in value:
                yield from unguarded(part, true)


def test_nothing_refers_to_a_resource_that_may_not_be_there() -> None:
    template = transformed_template()
    resources = template["Resources"]
    conditional = {name: made["Condition"] for name, made in resources.items() if "Condition" in made}
    assert {
        "CreateOpenAiImages",
        "CreateOpenAiImagesUrl",
        "AccessLogs",
    } <= conditional.keys()
    # A condition that holds only with another one.
    implied = {"HasDashboardUrl": {"HasDashboard"}}
    for name, entry in {**resources, **template["Outputs"]}.items():
        own = entry.get("Condition")
        here = frozenset({own, *implied.get(own, set())} if own else set())
        for mentioned, true in unguarded(entry.get("Properties", entry.get("Value")), here):
            assert conditional.get(mentioned) in {None, *true}, f"{name} needs {mentioned}"


def test_no_file_says_in_which_partition_it_runs() -> None:
    for path in [*(ROOT / "workflows").glob("*.json"), *(ROOT / "functions").rglob("*.py"), ROOT / "template.yaml"]:
        assert "arn:aws:" not in path.read_text(), path.name


def test_the_console_is_linked_to_where_it_is_amazons_own() -> None:
    assert TEMPLATE["Outputs"]["DashboardUrl"]["Condition"] == "HasDashboardUrl"
    [has_dashboard, in_aws] = TEMPLATE["Conditions"]["HasDashboardUrl"]["Fn::And"]
    assert (has_dashboard, in_aws) == ({"Condition": "HasDashboard"}, {"Condition": "IsInAwsItself"})


def test_a_layer_is_named_after_its_stack() -> None:
    [layer] = of_type("AWS::Lambda::LayerVersion").values()
    assert layer["Properties"]["LayerName"] == {"Fn::Sub": "${AWS::StackName}-core"}


def test_the_public_permissions_go_with_the_url() -> None:
    assert RESOURCES["CreateOpenAiImages"]["Condition"] == "HasOpenAiImages"
    assert {
        resource.get("Condition")
        for name, resource in of_type("AWS::Lambda::Permission").items()
        if "CreateOpenAiImages" in name
    } == {"HasOpenAiImages"}
