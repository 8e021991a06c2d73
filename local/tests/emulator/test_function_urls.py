"""A function's URL: what goes in and out has Lambda's limits."""

from __future__ import annotations

import httpx
import pytest

from .conftest import Functions, RunningEmulator

ECHO = """
import base64
import json

def handler(event, context):
    if event["rawPath"] == "/where":
        names = ("proto", "host", "prefix")
        seen = {name: event["headers"].get("x-forwarded-" + name) for name in names}
        return {"statusCode": 200, "body": json.dumps(seen)}
    body = event.get("body", "")
    size = len(base64.b64decode(body) if event["isBase64Encoded"] else body)
    path = event["rawPath"]
    answer = "x" * int(path.strip("/")) if path != "/" else str(size)
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": answer}
"""


@pytest.fixture
def url(emulator: RunningEmulator, functions: Functions, request: pytest.FixtureRequest) -> str:
    name = f"echo-{abs(hash(request.node.name))}"
    functions.create(name, ECHO)
    aws = emulator.client("lambda")
    public = aws.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    url_id = public.removeprefix("https://").partition(".")[0]
    return f"{emulator.endpoint}/_aws/lambda-url/{url_id}"


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("text/plain", 6_200_000, 200),
        ("text/plain", 6_300_000, 413),
        # As base64 it is a third larger.
        ("multipart/form-data; boundary=x", 4_600_000, 200),
        ("multipart/form-data; boundary=x", 4_800_000, 413),
    ],
)
def test_a_call_is_measured_as_the_function_gets_it(url: str, kind: str, size: int, status: int) -> None:
    answer = httpx.post(url + "/", content=b"x" * size, headers={"Content-Type": kind}, timeout=30)

    assert answer.status_code == status
    assert status == 413 or int(answer.text) == size


def test_a_function_learns_where_it_was_called(url: str) -> None:
    seen = httpx.get(url + "/where", timeout=30).json()

    assert f"{seen['proto']}://{seen['host']}{seen['prefix']}" == url


@pytest.mark.parametrize(("size", "status"), [(6_200_000, 200), (6_300_000, 502)])
def test_an_answer_that_is_too_large_does_not_arrive(url: str, size: int, status: int) -> None:
    answer = httpx.get(f"{url}/{size}", timeout=30)

    assert answer.status_code == status
    assert status == 502 or len(answer.text) == size
