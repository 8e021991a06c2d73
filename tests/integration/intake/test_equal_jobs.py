"""`POST /v1/jobs` without a name: equal calls at once are one, and waits have a limit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
from heliograph.platform import aws

from tests.fakes.clock import SteppingClock
from tests.integration.conftest import items
from tests.integration.lambdas import Handler, started
from tests.triggers import read


@pytest.fixture
def submit(environment: dict[str, str], clock: SteppingClock) -> Handler:
    del environment
    # When the trigger's call was received.
    clock.go_to(datetime.fromtimestamp(read("post_job.json")["requestContext"]["requestTimeEpoch"] / 1000, UTC))
    return started("submit_job")


def post(handler: Handler, body: str, number: int, **headers: str) -> tuple[int, Any]:
    event = read("post_job.json") | {"body": body}
    event["requestContext"]["requestId"] += f"-{number}"
    event["headers"] = headers
    event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    answer = handler(event)
    return answer["statusCode"], json.loads(answer["body"])


def test_once_it_is_answered_the_same_is_another_job(submit: Handler) -> None:
    found = {post(submit, '{"prompt": "a fox"}', number)[1]["id"] for number in range(3)}
    assert len(found) == 3


@pytest.mark.parametrize(
    "body", ['{"prompt": ""}', '{"prompt": "x", "seed": 1}', "[]", '{"prompt": "x", "dry_run": true}']
)
def test_what_makes_no_job_is_not_remembered(submit: Handler, body: str) -> None:
    post(submit, body, 1)
    assert items("calls") == []


def test_the_next_of_too_many_waits_makes_no_job(submit: Handler, clock: SteppingClock) -> None:
    waits = DynamoDBOpenWaits(aws.dynamodb(), "calls")
    event = read("post_job.json")
    key = event["requestContext"]["authorizer"].get("key_id") or "own"
    for number in range(10):
        waits.begin(key, f"w{number}", now=clock.now(), until=clock.now() + timedelta(seconds=300))
    status, problem = post(submit, '{"prompt": "a fox"}', 1, Prefer="wait=5")
    assert (status, problem["code"], problem["charged"]) == (429, "too_many_waits", "no")
    assert items("jobs") == []
    assert post(submit, '{"prompt": "a fox"}', 2)[0] == 202
