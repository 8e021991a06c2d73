"""What must be true after everything else ran (its name makes it run last)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.e2e.conftest import JOB_DEADLINE_SECONDS
from tests.e2e.world import World


def test_a_task_that_never_ends_is_given_up_at_the_deadline(world: World, never_ending_job: str) -> None:
    job = world.finished(never_ending_job, seconds=JOB_DEADLINE_SECONDS + 60)

    assert job["status"] == "failed"
    assert job["failure"]["code"] == "provider_timeout"
    assert job["charged"] == "unknown"
    assert world.event_of(never_ending_job)["detail-type"] == "image.job.failed"


def test_every_job_is_over_and_was_announced_once(world: World) -> None:
    announced: dict[str, set[str]] = {}
    for event in world.events():
        if job_id := event["detail"]["data"].get("job_id"):
            announced.setdefault(job_id, set()).add(event["detail"]["event_id"])

    unfinished = [item["job_id"]["S"] for item in _jobs(world) if item["status"]["S"] in {"queued", "processing"}]

    assert not unfinished
    assert announced.keys() == {item["job_id"]["S"] for item in _jobs(world)}
    assert all(len(event_ids) == 1 for event_ids in announced.values())


def test_the_vendor_charged_no_task_that_no_job_knows_and_no_job_twice(world: World) -> None:
    owners = Counter(
        attempt["task_id"]
        for item in _jobs(world)
        for attempt in world.job(item["job_id"]["S"])["attempts"]
        if attempt["task_id"]
    )
    per_job = {
        item["job_id"]["S"]: [attempt["task_id"] for attempt in world.job(item["job_id"]["S"])["attempts"]]
        for item in _jobs(world)
    }
    charged = {task["task_id"] for task in world.tasks("") if task["charged_micro_usd"]}

    assert all(count == 1 for count in owners.values())
    assert all(len(charged & set(task_ids)) <= 1 for task_ids in per_job.values())


def test_the_dead_letter_queue_is_empty(world: World) -> None:
    attributes = world.sqs.get_queue_attributes(
        QueueUrl=world.stack.outputs["UploadDeadLettersUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]

    assert attributes["ApproximateNumberOfMessages"] == "0"


def test_the_logs_would_let_nobody_in(world: World) -> None:
    secrets = world.stack.client("secretsmanager")
    upstream_key = secrets.get_secret_value(SecretId=world.stack.outputs["UpstreamKeySecret"])["SecretString"]
    forbidden = [world.stack.api_key, upstream_key, "X-Amz-Signature", "Bearer ", "AWS_SECRET_ACCESS_KEY"]
    logs = world.stack.client("logs")
    lines = 0
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            for event in page["events"]:
                lines += 1
                found = [word for word in forbidden if word in event["message"]]
                assert not found, f"{found} in {event['message'][:300]}"
    assert lines > 100


def _jobs(world: World) -> list[dict[str, Any]]:
    pages = (
        world.stack.client("dynamodb").get_paginator("scan").paginate(TableName=world.stack.outputs["JobsTableName"])
    )
    return [item for page in pages for item in page["Items"]]
