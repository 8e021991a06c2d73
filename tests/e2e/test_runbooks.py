"""What docs/upgrading.md and docs/operations.md tell an operator to do, done as it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local.deployment import PROJECT, STACK_NAME
from tests.e2e.reader import Shell, reader
from tests.e2e.receiver import receiving
from tests.e2e.world import World, wait_until

UPGRADING, OPERATIONS = PROJECT / "docs" / "upgrading.md", PROJECT / "docs" / "operations.md"

Reader = Callable[..., Shell]


@pytest.fixture
def operator(world: World, tmp_path: Path) -> Reader:
    """An operator who reads a page, at the project's root, with variables that the page asks for."""
    return lambda page, **variables: reader(world, page, PROJECT, state=tmp_path / "variables", **variables)


@pytest.fixture
def object_versions(world: World, mark: str) -> tuple[str, str, list[str]]:
    """An object of the results bucket with two versions: bucket, key, versions."""
    key = f"records/{mark}.txt"
    put = [world.s3.put_object(Bucket=world.results, Key=key, Body=body) for body in (b"first", b"second")]
    return world.results, key, [str(answer["VersionId"]) for answer in put]


def test_the_stack_says_what_runs_and_what_happened(world: World, operator: Reader) -> None:
    shell = operator(UPGRADING, STACK=STACK_NAME)

    running = shell.paste("names", "running")
    events = shell.paste("stack-events")

    assert int(running) >= 0
    assert shell.variable("EVENT_BUS") == world.stack.outputs["EventBusName"]
    assert f"{STACK_NAME}\tCREATE_COMPLETE" in events


def test_a_deleted_object_is_there_again(
    world: World, operator: Reader, object_versions: tuple[str, str, list[str]]
) -> None:
    bucket, key, _ = object_versions
    world.s3.delete_object(Bucket=bucket, Key=key)

    operator(UPGRADING, BUCKET=bucket, KEY=key).paste("undelete")

    assert world.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"second"


def test_an_earlier_version_of_an_object_is_put_back(
    world: World, operator: Reader, object_versions: tuple[str, str, list[str]]
) -> None:
    bucket, key, versions = object_versions
    shell = operator(UPGRADING, BUCKET=bucket, KEY=key, VERSION=versions[0])

    listed = shell.paste("versions")
    shell.paste("earlier")

    assert all(version in listed for version in versions)
    assert world.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"first"


def test_a_rule_is_removed_with_its_targets(world: World, operator: Reader, mark: str) -> None:
    events, bus = world.stack.client("events"), world.stack.outputs["EventBusName"]
    queue = world.sqs.create_queue(QueueName=mark)["QueueUrl"]
    arn = world.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=mark, EventBusName=bus, EventPattern=json.dumps({"source": ["heliograph"]}))
    events.put_targets(Rule=mark, EventBusName=bus, Targets=[{"Id": name, "Arn": arn} for name in ("one", "two")])
    shell = operator(UPGRADING, RULE=mark)

    listed = shell.paste("names", "rules")
    shell.paste("delete-rule")

    # The stack's own rule is told by the stack's name.
    others = [name for name in json.loads(listed) if not name.startswith(STACK_NAME)]
    assert mark in others
    assert len(others) == len(json.loads(listed)) - 1
    assert mark not in {rule["Name"] for rule in events.list_rules(EventBusName=bus)["Rules"]}


def test_running_executions_are_stopped(world: World, operator: Reader, mark: str) -> None:
    """Of a workflow of the test's own: the stack's carries the jobs of all tests."""
    workflows = world.stack.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    role = world.stack.client("iam").create_role(RoleName=mark, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    machine = workflows.create_state_machine(name=mark, definition=json.dumps(definition), roleArn=role)
    started = [workflows.start_execution(stateMachineArn=machine["stateMachineArn"]) for _ in range(2)]
    idle = workflows.create_state_machine(name=f"{mark}-idle", definition=json.dumps(definition), roleArn=role)
    variables = {"STATE_MACHINE": machine["stateMachineArn"], "DELIVERIES": idle["stateMachineArn"]}

    operator(UPGRADING, **variables).paste("stop")

    for execution in started:
        found = workflows.describe_execution(executionArn=execution["executionArn"])
        assert found["status"] == "ABORTED"


def test_a_leaked_key_is_revoked_with_what_it_made(world: World, operator: Reader, mark: str) -> None:
    made = world.call("POST", "/v1/keys", json={"name": mark, "tenant": mark, "scopes": ["admin"]}).json()
    below = world.call("POST", "/v1/keys", key=made["key"], json={"name": f"{mark} below"}).json()

    operator(OPERATIONS, KEY_ID=made["id"], STACK=STACK_NAME).paste("revoke")

    for key in (made["key"], below["key"]):
        # No gateway remembers this call for it: what makes keys looks the key up.
        assert world.call("POST", "/v1/keys", key=key, json={"name": "again"}).status_code == 401


def test_a_leaked_signing_secret_is_rotated(world: World, operator: Reader, mark: str) -> None:
    with receiving() as receiver:
        body = {"url": receiver.url(mark), "events": ["image.job.succeeded"]}
        endpoint = world.call("POST", "/v1/webhook-endpoints", json=body).json()

        printed = operator(OPERATIONS, ENDPOINT_ID=endpoint["id"]).paste("rotate")

        secret = json.loads(printed)["secret"]
        world.call("POST", f"/v1/webhook-endpoints/{endpoint['id']}/test")
        message = wait_until(lambda: next(iter(receiver.got(mark)), None), seconds=30, what="the test message")
        assert secret != endpoint["secret"]
        assert message.verified(secret)["type"] == "webhook.test"
        world.call("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}")
