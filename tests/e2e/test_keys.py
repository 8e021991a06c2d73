"""Keys of the API: made by an admin, shown once, for a tenant and what their scopes open."""

from __future__ import annotations

import json
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from local.deployment import REGION, STACK_NAME
from tests.e2e.world import World, wait_until


def make(world: World, **request: Any) -> dict[str, Any]:
    answer = world.call("POST", "/v1/keys", json={"name": "a test", **request})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def told_of(world: World, account: str) -> set[str]:
    """The types of events about an account's budget."""
    return {
        event["detail-type"] for event in world.events(lambda event: event["detail"]["data"].get("account") == account)
    }


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    return answer.status_code, answer.json()["code"]


def test_a_tenant_works_with_its_own_key_and_sees_only_its_own(world: World, mark: str) -> None:
    shop, blog = (make(world, tenant=f"{tenant}-{mark}")["key"] for tenant in ("shop", "blog"))

    posted = world.call("POST", "/v1/jobs", key=shop, json={"prompt": mark})
    job_id = posted.json()["id"]
    done = wait_until(
        lambda: job if (job := world.call("GET", f"/v1/jobs/{job_id}", key=shop).json())["finished_at"] else None,
        seconds=60,
        what="the shop's job",
    )

    assert posted.status_code == 202
    assert done["status"] == "succeeded"
    assert done["results"][0]["key"].startswith(f"tenants/shop-{mark}/api/")
    assert code_of(world.call("GET", f"/v1/jobs/{job_id}", key=blog)) == (404, "not_found")
    theirs = f"s3://{done['results'][0]['bucket']}/{done['results'][0]['key']}"
    refused = world.call("POST", "/v1/jobs", key=blog, json={"prompt": mark, "references": [theirs]})
    assert code_of(refused) == (422, "invalid_input")
    own = world.call("POST", "/v1/jobs", key=shop, json={"prompt": f"again {mark}", "references": [theirs]})
    assert own.status_code == 202
    assert world.ledger(f"shop-{mark}")["spent"] == 60_000


@pytest.mark.parametrize(
    ("scopes", "method", "path"),
    [
        (["jobs:read"], "POST", "/v1/jobs"),
        (["jobs:write"], "GET", "/v1/jobs/job_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (["jobs:read", "jobs:write"], "POST", "/v1/keys"),
        (["jobs:read", "jobs:write"], "GET", "/v1/keys"),
        (["jobs:read", "jobs:write"], "DELETE", "/v1/keys/key_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ],
)
def test_a_key_opens_what_its_scopes_say(world: World, scopes: list[str], method: str, path: str) -> None:
    key = make(world, scopes=scopes)["key"]

    assert code_of(world.call(method, path, key=key, json={"prompt": "x"})) == (403, "insufficient_scope")


def test_a_key_is_shown_once_and_revoking_it_shuts_its_holder_out(world: World) -> None:
    made = make(world)
    listed = world.call("GET", "/v1/keys")
    revoked = world.call("DELETE", f"/v1/keys/{made['id']}")

    assert made["key"].startswith("hg_")
    assert made["id"] in [key["id"] for key in listed.json()["data"]]
    assert made["key"] not in listed.text
    assert revoked.json()["revoked_at"]
    answer = world.call("GET", "/v1/keys", key=made["key"])
    assert code_of(answer) == (401, "invalid_api_key")
    table = world.stack.client("dynamodb").scan(TableName=world.stack.outputs["KeysTableName"])
    assert made["key"] not in json.dumps(table["Items"])


def test_a_key_has_its_own_rate(world: World) -> None:
    key = make(world, requests_per_minute=3)["key"]

    answers = [world.call("GET", "/v1/jobs/job_aaaaaaaaaaaaaaaaaaaaaaaaaa", key=key) for _ in range(8)]

    refused = [answer for answer in answers if answer.status_code == 429]
    # A minute may end in between.
    assert 2 <= len(refused) <= 5
    assert code_of(refused[0]) == (429, "rate_limited")
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=60'


def test_a_key_has_its_own_budget(world: World, mark: str) -> None:
    world.begin_a_day()
    made = make(world, daily_budget_usd="0.10")

    answers = [world.call("POST", "/v1/jobs", key=made["key"], json={"prompt": mark}) for _ in range(2)]

    assert answers[0].status_code == 202
    assert code_of(answers[1]) == (402, "budget_exceeded")
    assert made["id"] in answers[1].json()["detail"]
    world.finished(answers[0].json()["id"])
    assert world.ledger(made["id"])["spent"] == 60_000
    # The first call reached 60 % of it; the second did not fit.
    wait_until(lambda: len(told_of(world, made["id"])) == 2, seconds=30, what="the events of the budget")
    assert told_of(world, made["id"]) == {"image.budget.warning", "image.budget.exhausted"}


def test_keys_are_made_from_the_command_line_too(world: World) -> None:
    made = world.operate("new-key", "by hand", "--tenant", "north", "--requests-per-minute", "60")
    listed = world.operate("keys")
    key, key_id = made.stdout.splitlines()[0], made.stdout.rpartition("id is ")[2].strip(" .\n")
    usable = world.call("GET", "/v1/jobs/job_aaaaaaaaaaaaaaaaaaaaaaaaaa", key=key)
    revoked = world.operate("revoke-key", key_id)
    no_tenant = world.operate("new-key", "by hand", "--tenant", "No Tenant")
    no_scope = world.operate("new-key", "by hand", "--scopes", "everything")

    assert made.returncode == 0, made.stderr
    assert usable.status_code == 404
    assert key_id in listed.stdout
    assert key not in listed.stdout
    assert revoked.returncode == 0
    assert (no_tenant.returncode, "tenant" in no_tenant.stderr) == (1, True)
    assert (no_scope.returncode, "jobs:write" in no_scope.stderr) == (2, True)
    assert "Traceback" not in no_tenant.stderr + no_scope.stderr


def test_a_revoked_key_makes_no_key_and_reads_no_secret_while_the_gateway_still_lets_it_in(
    world: World, mark: str
) -> None:
    thief = make(world, scopes=["admin"])
    endpoint = world.call("POST", "/v1/webhook-endpoints", json={"url": f"https://{mark}.example.com/hooks"}).json()
    secret = f"/v1/webhook-endpoints/{endpoint['id']}/secret"
    allowed = world.call("GET", secret, key=thief["key"])
    child = world.call("POST", "/v1/keys", key=thief["key"], json={"name": mark, "scopes": ["admin"]}).json()

    revoked = world.call("DELETE", f"/v1/keys/{thief['id']}", params={"made": "revoke"})

    assert allowed.status_code == 200
    # The gateway remembers it, as it does on AWS.
    assert world.call("GET", "/v1/jobs", key=thief["key"]).status_code == 200
    assert code_of(world.call("POST", "/v1/keys", key=thief["key"], json={"name": mark})) == (401, "unauthenticated")
    assert code_of(world.call("GET", secret, key=thief["key"])) == (401, "unauthenticated")
    assert (child["made_by"], [key["id"] for key in revoked.json()["made"]]) == (thief["id"], [child["id"]])
    assert world.call("GET", "/v1/keys", key=child["key"]).status_code in {401, 403}
    world.call("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}")


def test_no_role_but_one_can_write_a_key(world: World) -> None:
    stack = world.stack.client("cloudformation").list_stack_resources(StackName=STACK_NAME)
    roles = {
        found["LogicalResourceId"]: found["PhysicalResourceId"]
        for found in stack["StackResourceSummaries"]
        if found["ResourceType"] == "AWS::IAM::Role"
    }
    assert {"ReadModelsAndUsageRole", "AuthorizeCallRole", "CreateOpenAiImagesRole", "ManageKeysRole"} <= roles.keys()
    writers = {name for name, role in roles.items() if may_write_keys(world, role)}
    assert writers == {"ManageKeysRole"}


def may_write_keys(world: World, role: str) -> bool:
    """Whether code with that role's credentials can put a key's record into the table."""
    arn = world.stack.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    given = world.stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="somebody")["Credentials"]
    table = boto3.client(
        "dynamodb",
        endpoint_url=world.stack.endpoint,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    try:
        table.update_item(
            TableName=world.stack.outputs["KeysTableName"],
            Key={"id": {"S": "key_of_somebody"}},
            UpdateExpression="SET note = :x",
            ExpressionAttributeValues={":x": {"S": "x"}},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return False
        raise
    return True
