"""The operator's commands, run to their end on an AWS that speaks TLS and serves what a real one serves."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest

from tests.contract.cfn_template import RESOURCES, ROOT, variables_of
from tests.integration.aws_over_tls import REGION, TlsAws, aws_over_tls
from tests.integration.played_cloudformation import PlayedStack, Refusal

TABLES = ("JobsTable", "LedgerTable", "RoutesTable", "KeysTable", "CallsTable")
KEPT = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
ROUTE = "gpt-image-2-beta"
ELSEWHERE = "eu-west-3"
EXPIRED = "The AWS credentials have expired. Sign in again (aws sso login, or fetch new ones), and repeat the command."


def deploy(aws: TlsAws, region: str) -> None:
    """What operators reach: tables, the bus, and the functions with all variables that template.yaml gives them."""
    for table in TABLES:
        properties = RESOURCES[table]["Properties"]
        made = {name: properties[name] for name in KEPT if name in properties}
        aws.client("dynamodb", region).create_table(TableName=table.lower(), **made)
    aws.client("events", region).create_event_bus(Name="heliograph-events")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "handler = None")
    functions = aws.client("lambda", region)
    role = aws.client("iam").create_role(RoleName=region, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    for logical_id in ("SweepJobs", "ManageKeys"):
        variables = variables_of(logical_id) | {"EVENT_BUS": "heliograph-events"}
        # A path of Lambda's machine, which no other has.
        assert variables["AWS_CA_BUNDLE"].startswith("/opt/")
        functions.create_function(
            FunctionName=f"heliograph-{logical_id}",
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": variables},
        )


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsAws]:
    """With a stack, as far as operators reach it."""
    with aws_over_tls(tmp_path_factory.mktemp("tls")) as aws:
        deploy(aws, REGION)
        deploy(aws, ELSEWHERE)
        resources = {logical_id: f"heliograph-{logical_id}" for logical_id in ("SweepJobs", "ManageKeys")}
        aws.cloudformation.add(PlayedStack("heliograph", resources=resources, outputs={"ProviderKeySecret": "key"}))
        yield aws


def run(aws: TlsAws, *arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command as a person types it: it finds what it needs by itself, without a PYTHONPATH."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables = {name: value for name, value in aws.environment.items() if name not in without}
    return subprocess.run(
        [sys.executable, "-m", "operations", *arguments],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def operate(aws: TlsAws, *arguments: str) -> str:
    """What the command prints, if it ends well."""
    finished = run(aws, *arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_spending_is_paused_and_resumed(aws: TlsAws) -> None:
    paused = operate(aws, "pause-spending", "--reason", "the bill looks odd")
    shown = operate(aws, "routes")
    resumed = operate(aws, "resume-spending")

    assert "Spending is paused since" in paused
    assert "SPENDING IS PAUSED" in shown
    assert "the bill looks odd" in shown
    assert "Spending is resumed" in resumed
    assert "PAUSED" not in operate(aws, "routes")


def test_a_route_is_disabled_and_enabled(aws: TlsAws) -> None:
    operate(aws, "disable-route", ROUTE, "--reason", "a repair")
    disabled = operate(aws, "routes")
    operate(aws, "enable-route", ROUTE)

    assert re.search(rf"^{ROUTE} +disabled by an operator since .* UTC: a repair", disabled, re.MULTILINE)
    assert re.search(rf"^{ROUTE} +in service", operate(aws, "routes"), re.MULTILINE)


def test_a_key_is_made_listed_and_revoked(aws: TlsAws) -> None:
    asked = ("--tenant", "shop", "--scopes", "jobs:read", "--daily-budget-usd", "25", "--expires", "2127-01-31")
    made = operate(aws, "new-key", "web shop", *asked)
    (key_id,) = re.findall(r"key_[a-z2-7]{26}", made)
    listed = operate(aws, "keys")
    operate(aws, "revoke-key", key_id)

    assert re.search(rf"{key_id} +web shop +shop +jobs:read +25 USD +valid until 2127-01-31 00:00 UTC +never", listed)
    assert made.endswith("It expires on 2127-01-31 at 00:00:00 UTC.\n")
    assert re.search(rf"{key_id} .* revoked 20", operate(aws, "keys"))


def test_the_ledger_of_an_empty_stack_agrees_in_one_line(aws: TlsAws) -> None:
    assert operate(aws, "ledger").splitlines() == [
        "0 jobs, 0 accounts, 0 lines of usage and the running tasks of 2 routes were checked: "
        "the ledger agrees to the micro-dollar."
    ]


def test_another_region_can_be_named_before_and_after_the_command(aws: TlsAws) -> None:
    operate(aws, "--region", ELSEWHERE, "disable-route", ROUTE, "--reason", "elsewhere")

    aws.regions.clear()
    assert "elsewhere" in operate(aws, "routes", "--region", ELSEWHERE)
    assert aws.regions == {ELSEWHERE}
    assert "elsewhere" not in operate(aws, "routes")


@pytest.mark.parametrize(
    ("refused", "refusal", "sentence"),
    [
        (
            "cloudformation",
            Refusal("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks", 403),
            "Your AWS credentials lack a right (not authorized to perform: cloudformation:DescribeStacks). "
            "Use an identity that has it.",
        ),
        (
            "cloudformation",
            Refusal("ExpiredToken", "The security token included in the request is expired", 403),
            EXPIRED,
        ),
        (
            "cloudformation",
            Refusal("InvalidClientTokenId", "The security token included in the request is invalid", 403),
            "AWS does not accept these credentials in eu-central-1. Either they are wrong or revoked, or the Region is "
            "not enabled for the account; `aws sts get-caller-identity` shows which of the two.",
        ),
        (
            "dynamodb",
            Refusal("AccessDeniedException", "not authorized to write"),
            "Your AWS credentials lack a right (not authorized to write). Use an identity that has it.",
        ),
        (
            "lambda",
            Refusal("ExpiredTokenException", "expired", 403),
            EXPIRED,
        ),
    ],
    ids=["no right", "expired", "unknown", "no right to the table", "expired half-way"],
)
def test_whatever_aws_refuses_is_said_in_one_sentence(
    aws: TlsAws, monkeypatch: pytest.MonkeyPatch, refused: str, refusal: Refusal, sentence: str
) -> None:
    monkeypatch.setitem(aws.refusals, refused, refusal)

    finished = run(aws, "pause-spending", "--reason", "a drill")

    assert (finished.returncode, finished.stdout, finished.stderr.strip()) == (1, "", sentence)
    monkeypatch.undo()
    assert "PAUSED" not in operate(aws, "routes")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--stack", "shop"), "There is no stack shop in eu-central-1. Name another one with STACK=…"),
        (("--stack", "others"), "The stack others in eu-central-1 is not one of Heliograph's"),
        (
            ("--stack", "broken"),
            "The stack broken in eu-central-1 is in the state ROLLBACK_COMPLETE: its creation failed",
        ),
        (
            ("disable-route", "dall-e-3", "--reason", "why not"),
            "There is no route dall-e-3; there are gpt-image-2-beta",
        ),
        (("revoke-key", "hg_a-key-instead-of-its-id"), "A key is revoked by its id (key_…), which `make keys` lists."),
        (("revoke-key", f"key_{'a' * 26}"), f"There is no key key_{'a' * 26}; `make keys` lists them."),
        (("new-key", "shop", "--daily-budget-usd", "-3"), "daily_budget_usd: "),
        (("new-key", "shop", "--expires", "2026-01-31"), "expires_at: must be in the future"),
        (("new-key", "shop", "--expires", "31 January"), "expires_at: must be a date and time"),
        (("new-key", "shop", "--expires", "2127-02-30"), "expires_at: must be a date and time"),
    ],
)
def test_what_is_not_there_is_named_in_one_sentence(aws: TlsAws, arguments: tuple[str, ...], sentence: str) -> None:
    aws.cloudformation.add(PlayedStack("others"))
    aws.cloudformation.add(PlayedStack("broken", status="ROLLBACK_COMPLETE"))

    finished = run(aws, *arguments, *(["routes"] if arguments[0] == "--stack" else []))

    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith(sentence)
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "There are no AWS credentials."),
        (("AWS_DEFAULT_REGION",), "No AWS Region is chosen. Name it with REGION=…"),
    ],
)
def test_a_machine_that_is_not_set_up_is_told_what_is_missing(
    aws: TlsAws, missing: tuple[str, ...], sentence: str
) -> None:
    finished = run(aws, "routes", without=missing)

    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith(sentence)
    assert finished.stderr.count("\n") == 1
