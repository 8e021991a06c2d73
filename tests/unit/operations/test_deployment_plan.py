"""What a deployment sends, and what it is built for; and where `ENV=…` takes it from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from operations import command_line
from operations.command_line import Place, add_target, place_of
from operations.deployment_plan import WITHOUT_FUNCTION_URLS, Plan, plan_of
from operations.refusals import Refused
from operations.samconfig import SAMCONFIG, read_environment
from operations.stacks import Stack

DEFAULTS = {"DailyBudgetUsd": "", "Architecture": "arm64", "Release": "", "Tenants": "{}", "Routes": "[]"}
DEPLOYED = Stack(
    "heliograph", "eu-central-1", "UPDATE_COMPLETE", {"Architecture": "x86_64", "DailyBudgetUsd": "25", "Gone": "x"}
)


KIE_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kie-AbCdEf"


def planned(found: Stack | None = None, region: str = "eu-central-1", **named: str) -> Plan:
    return plan_of(stack="heliograph", region=region, found=found, defaults=DEFAULTS, named=named, release="r1")


def test_of_a_deployed_stack_only_what_is_named_is_sent_and_the_layer_is_built_for_what_it_runs_on() -> None:
    plan = planned(DEPLOYED, Tenants='{"shop": {}}')

    assert plan.named == {"Tenants": '{"shop": {}}', "Release": "r1"}
    assert plan.architecture == "x86_64"
    assert plan.all == {
        "DailyBudgetUsd": "25",
        "Architecture": "x86_64",
        "Release": "r1",
        "Tenants": '{"shop": {}}',
        "Routes": "[]",
    }
    assert not plan.is_new


def test_a_new_stack_has_the_defaults_of_the_template() -> None:
    plan = planned()

    assert (plan.named, plan.architecture, plan.is_new) == ({"Release": "r1"}, "arm64", True)


def test_an_architecture_that_is_named_is_what_the_layer_is_built_for() -> None:
    assert planned(DEPLOYED, Architecture="arm64").architecture == "arm64"


def test_what_is_checked_is_all_of_it_together() -> None:
    routes = '[{"provider": "kie", "model": "gpt-image-2", "price_usd": "0.03", "max_references": 16}]'
    stack = Stack("heliograph", "eu-central-1", "UPDATE_COMPLETE", {"Routes": routes, "KieKeySecret": KIE_KEY})

    assert planned(stack, DailyBudgetUsd="25").faults() == []
    assert planned(stack, KieKeySecret="").faults() != []


@pytest.mark.parametrize("region", sorted(WITHOUT_FUNCTION_URLS))
def test_a_region_without_function_urls_needs_the_openai_address_off(region: str) -> None:
    assert any("OpenAiImages=off" in fault for fault in planned(region=region).faults())
    assert not any("function URLs" in fault for fault in planned(region=region, OpenAiImages="off").faults())


def test_a_stack_name_is_checked_before_the_first_deployment() -> None:
    plan = Plan(stack="x" * 100, region="eu-central-1", is_new=True, all=DEFAULTS)

    assert any("stack" in fault.lower() for fault in plan.faults())


# --- ENV=…


def placed(file: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> Place:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, os.environ.get(name, "x"))
    monkeypatch.setattr(command_line, "read_environment", lambda name: read_environment(name, file))
    parser = argparse.ArgumentParser()
    add_target(parser)
    return place_of(parser.parse_args(typed))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "samconfig.toml"
    written.write_text("""
version = 0.1
[production.global.parameters]
region = "eu-central-1"
stack_name = "overridden"
[production.deploy.parameters]
stack_name = "shop"
profile = "prod"
s3_bucket = "ours"
parameter_overrides = "DailyBudgetUsd=\\"50\\" Tenants=\\"{\\\\\\"shop\\\\\\": {}}\\""
[staging.deploy.parameters.parameter_overrides]
DailyBudgetUsd = "5"
Tenants = '{"shop": {}}'
[broken.build.parameters]
parallel = true
""")
    return written


def test_an_environment_is_read_as_sam_reads_it(file: Path) -> None:
    production, staging = read_environment("production", file), read_environment("staging", file)

    assert (production.stack, production.region, production.profile) == ("shop", "eu-central-1", "prod")
    assert production.parameters == {"DailyBudgetUsd": "50", "Tenants": '{"shop": {}}'}
    assert production.has_bucket
    assert staging.parameters == {"DailyBudgetUsd": "5", "Tenants": '{"shop": {}}'}
    assert (staging.stack, staging.region, staging.has_bucket) == (None, None, False)


@pytest.mark.parametrize("name", ["nowhere", "broken", "version"])
def test_an_environment_that_is_not_there_is_named(file: Path, name: str) -> None:
    with pytest.raises(Refused, match=rf"samconfig.toml has no section \[{name}\.deploy\.parameters\]"):
        read_environment(name, file)


def test_the_example_in_the_projects_own_file_can_be_used_as_it_stands(tmp_path: Path) -> None:
    written = tmp_path / "samconfig.toml"
    lines = SAMCONFIG.read_text().split("stores it.\n#\n")[1].splitlines()
    written.write_text("\n".join(line.removeprefix("# ") for line in lines if line != "#"))

    environment = read_environment("production", written)

    assert environment.stack == "heliograph-production"
    assert environment.parameters["Tenants"] == '{"shop": {"weight": 2, "daily_budget_usd": "25"}}'


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ([], ("heliograph", None)),
        (["--stack", "a", "--region", "b"], ("a", "b")),
        (["--env", "production"], ("shop", "eu-central-1")),
        (["--env", "production", "--stack", "shop"], ("shop", "eu-central-1")),
        (["--env", "staging", "--region", "eu-west-1"], ("heliograph", "eu-west-1")),
    ],
)
def test_a_stack_is_where_it_is_said_to_be(
    file: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], place: tuple[str, str | None]
) -> None:
    found = placed(file, monkeypatch, typed)

    assert (found.stack, found.region) == place


@pytest.mark.parametrize("typed", [["--stack", "other"], ["--region", "eu-west-1"]])
def test_two_stacks_at_once_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    with pytest.raises(Refused, match="leave one out"):
        placed(file, monkeypatch, ["--env", "production", *typed])


def test_an_environments_profile_is_the_one_that_acts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of another account")
    monkeypatch.setenv("AWS_PROFILE", "another")

    placed(file, monkeypatch, ["--env", "production"])

    assert os.environ["AWS_PROFILE"] == "prod"
    assert "AWS_ACCESS_KEY_ID" not in os.environ
