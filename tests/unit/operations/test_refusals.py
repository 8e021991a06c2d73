"""What a person reads where AWS, the network or the machine is in the way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSLError,
    SSOTokenLoadError,
)

from operations import deploy
from operations.refusals import Refused, one_sentence, sentence_of

ROOT = Path(__file__).parents[3]
UNREACHABLE = EndpointConnectionError(endpoint_url="https://cloudformation.eu-centrl-1.amazonaws.com/")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (Refused("as it is"), "as it is"),
        (NoRegionError(), "REGION=…"),
        (NoCredentialsError(), "aws configure"),
        (ProfileNotFound(profile="prod"), "AWS_PROFILE"),
        (UNREACHABLE, "eu-centrl-1 is a Region of AWS (REGION=…)"),
        (SSLError(endpoint_url="https://", error=OSError("no such file")), "AWS_CA_BUNDLE"),
        (SSOTokenLoadError(error_msg="expired"), "Sign in again"),
        (refused("ExpiredTokenException"), "Sign in again"),
        (refused("RequestExpired"), "Sign in again"),
        (refused("UnrecognizedClientException"), "the Region is not enabled for the account"),
        (refused("AccessDenied"), "Use an identity that has it"),
        (refused("Throttling"), "AWS refused DescribeStacks (Throttling: no)."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_sentence_names_the_way_out(error: Exception, way_out: str) -> None:
    sentence = sentence_of(error, region="eu-centrl-1")

    assert way_out in sentence
    assert "\n" not in sentence


def test_nobody_is_sent_to_a_variable_that_the_sdk_does_not_read() -> None:
    texts = [file.read_text() for file in (ROOT / "operations").glob("*.py")]

    assert not [text for text in texts if re.search(r"\bAWS_REGION\b", text)]
    assert any("AWS_DEFAULT_REGION" in text for text in texts)


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (EOFError(), 130), (Refused("no"), "no")])
def test_a_command_ends_without_a_traceback(raised: BaseException, code: object) -> None:
    with pytest.raises(SystemExit) as ended, one_sentence():
        raise raised

    assert ended.value.code == code


def test_a_python_without_the_packages_is_told_which_one_has_them() -> None:
    # -S: as if nothing were installed.
    command = [sys.executable, "-S", "-m", "operations", "routes"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert finished.returncode == 1
    assert "lacks boto3, pydantic, httpx. Use the project's own Python, .venv/bin/python" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_what_a_deployment_costs_at_rest_is_what_the_handbook_says() -> None:
    handbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## What it costs")[2]
    total, *parts = re.findall(r"\$(\d+\.\d\d)", deploy._AT_REST)

    assert [part for part in parts if f"${part}" not in handbook] == []
    assert abs(float(total) - sum(map(float, parts))) < 0.05
