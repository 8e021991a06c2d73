"""The commands that the documentation shows exist, with their options: `aws`, `sam` and `make`."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import botocore.loaders
import click
import pytest
from botocore import xform_name
from botocore.model import ServiceModel

from tests import aws_cli
from tests.contract.cfn_template import RESOURCES, ROOT, TEMPLATE
from tests.contract.deploy_role import PARAMETERS
from tests.contract.documents import PAGES, blocks, commands

DEPLOYING, UPGRADING = ROOT / "docs" / "deploying.md", ROOT / "docs" / "upgrading.md"
# Of every command of the AWS CLI, and of those whose answers come in pages.
# https://docs.aws.amazon.com/cli/latest/reference/, "Global options"
EVERYWHERE = {"--query", "--output", "--region", "--profile", "--no-cli-pager"}
PAGED = {"--max-items", "--page-size", "--starting-token"}
# The CLI's names of services that AWS describes under another.
RENAMED = {"s3api": "s3"}
# What the AWS CLI has besides AWS's own calls, with the options that we use.
OWN_COMMANDS = {
    ("cloudformation", "deploy"): {"--template-file", "--stack-name", "--capabilities", "--parameter-overrides"},
    ("s3", "cp"): {"--metadata"},
    ("s3", "sync"): {"--source-region"},
}


def aws_commands() -> list[tuple[str, list[str]]]:
    return [(f"{page.name}: {' '.join(words[:2])}", words) for page in PAGES for words in commands(page, "aws")]


@pytest.mark.parametrize("words", [words for _, words in aws_commands()], ids=[name for name, _ in aws_commands()])
def test_a_command_of_the_aws_cli_exists_with_its_options(words: list[str]) -> None:
    service, command, *rest = words
    options = {word for word in rest if word.startswith("--")}

    assert options - EVERYWHERE <= options_of(service, command, rest)


def options_of(service: str, command: str, rest: list[str]) -> set[str]:
    """By AWS's own description of the service."""
    if (service, command) in OWN_COMMANDS:
        return OWN_COMMANDS[service, command]
    service = RENAMED.get(service, service)
    calls = {xform_name(name, "-"): name for name in _described(service, "service-2")["operations"]}
    if command == "wait":
        waiters = _described(service, "waiters-2")["waiters"]
        call = {xform_name(name, "-"): waiter["operation"] for name, waiter in waiters.items()}[rest[0]]
    else:
        call = calls[command]
    shape = ServiceModel(_described(service, "service-2"), service).operation_model(call).input_shape
    members = shape.members if shape else {}
    paged = call in _described(service, "paginators-1")["pagination"]
    return {f"--{xform_name(member, '-')}" for member in members} | (PAGED if paged else set())


@cache
def _described(service: str, kind: str) -> dict[str, Any]:
    described: dict[str, Any] = botocore.loaders.Loader().load_service_model(service, kind)
    return described


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_aws_takes_the_values_of_a_commands_options(page: Path) -> None:
    lines = [line for block in blocks(page, "aws") for line in block.replace("\\\n", " ").splitlines() if line.strip()]

    for line in lines:
        # Of an ARN, too, the length is checked.
        aws_cli.check(aws_cli.Command.parse(shlex.split(re.sub(r"\$\w+", "x" * 40, line))[1:]))


def test_how_data_is_kept_is_told() -> None:
    [table] = re.findall(r"^\| what \| how it is kept .*?\n\n", UPGRADING.read_text(), flags=re.MULTILINE | re.DOTALL)
    told: dict[str, set[str]] = defaultdict(set)
    for names, how in re.findall(r"^\| (`.+?) \| (.+?) \|", table, flags=re.MULTILINE):
        told[how].update(re.findall(r"`(\w+(?:Table|Bucket))`", names))

    def of_type(kind: str, switch: str) -> set[str]:
        found = (name for name, resource in RESOURCES.items() if resource["Type"] == kind)
        return {name for name in found if switch in RESOURCES[name]["Properties"]}

    recovered = of_type("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification")
    assert told["point-in-time recovery"] == recovered
    assert told["not at all"] == of_type("AWS::DynamoDB::Table", "KeySchema") - recovered
    assert told["versions"] == of_type("AWS::S3::Bucket", "VersioningConfiguration")


def test_commands_of_aws_are_found_in_blocks_and_in_running_text() -> None:
    found = {" ".join(words[:2]) for _, words in aws_commands()}

    assert {"cloudformation deploy", "dynamodb wait", "sqs receive-message"} <= found
    assert len(blocks(DEPLOYING, "aws") + blocks(UPGRADING, "aws")) >= 10


def sam_command(name: str) -> click.Command:
    """SAM's own."""
    command: click.Command = importlib.import_module(f"samcli.commands.{name}.command").cli
    return command


@pytest.mark.parametrize(
    "words", [*commands(DEPLOYING, "sam"), *commands(UPGRADING, "sam")], ids=lambda words: words[0]
)
def test_a_command_of_sam_exists_with_its_options(words: list[str]) -> None:
    command, *rest = words

    known = {option for parameter in sam_command(command).params for option in parameter.opts}

    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), flags=re.MULTILINE))

    assert shown <= targets


def test_an_environment_of_samconfig_is_one_that_sam_and_the_deploy_roles_take() -> None:
    [block] = blocks(DEPLOYING, "environment")
    [(name, section)] = tomllib.loads(block).items()
    section = section["deploy"]["parameters"]
    options = {parameter.name for parameter in sam_command("deploy").params}

    assert set(section) <= options
    assert re.fullmatch(PARAMETERS["StackName"]["AllowedPattern"], section["stack_name"])
    assert len(section["stack_name"]) <= PARAMETERS["StackName"]["MaxLength"]
    assert section["s3_prefix"] == section["stack_name"]
    assert name == PARAMETERS["GitHubEnvironment"]["Default"]
    assert {override.split("=")[0] for override in section["parameter_overrides"]} <= set(TEMPLATE["Parameters"])


def test_what_stays_after_a_stack_is_told() -> None:
    stays = {name for name, resource in RESOURCES.items() if "Retain" in resource.get("DeletionPolicy", "")}
    [table] = re.findall(r"^\| what stays .*?\n\n", UPGRADING.read_text(), flags=re.MULTILINE | re.DOTALL)
    told = set(re.findall(r"`(\w+)`", table))

    assert stays <= told
    assert told <= set(RESOURCES)


def test_every_parameter_of_the_roles_that_is_given_exists() -> None:
    given = re.findall(r'"(\w+)=[^"]*"', " ".join(blocks(DEPLOYING, "aws")))

    assert set(given) - {"Enabled"} <= set(PARAMETERS)
    assert "StackName" in given
