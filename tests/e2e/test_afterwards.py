"""What must be true after everything else ran."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.e2e.conftest import JOB_DEADLINE_SECONDS, LOST, SlowJobs
from tests.e2e.deployed import log_lines
from tests.e2e.world import World

pytestmark = pytest.mark.order(2)


def test_a_task_that_never_ends_is_given_up_at_the_deadline(world: World, slow_jobs: SlowJobs) -> None:
    job = world.finished(slow_jobs.never_ends, seconds=JOB_DEADLINE_SECONDS + 60)

    assert job["status"] == "failed"
    assert job["failure"]["code"] == "provider_timeout"
    assert job["charged"] == "unknown"
    assert world.event_of(slow_jobs.never_ends)["detail-type"] == "image.job.failed"


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_call_of_which_nothing_is_heard_is_never_followed_by_another(
    world: World, slow_jobs: SlowJobs, kind: str
) -> None:
    job = world.finished(slow_jobs.lost[kind], seconds=JOB_DEADLINE_SECONDS + 60)

    assert len(job["attempts"]) == 1
    assert len(world.tasks(f"{kind}, heard of no more")) <= 1
    assert job["failure"]["code"] == "submission_uncertain"
    assert job["charged"] == "unknown"
    assert job["price_usd"] is None


def test_a_job_that_accepts_the_risk_is_submitted_again(world: World, slow_jobs: SlowJobs) -> None:
    job = world.finished(slow_jobs.resubmitted, seconds=JOB_DEADLINE_SECONDS + 60)

    first, second = job["attempts"]
    assert job["status"] == "succeeded"
    assert first["failure"]["code"] == "submission_uncertain"
    assert second["task_id"]
    assert len(world.tasks("accepts the risk")) == 1


def test_every_job_is_over_and_was_announced_once(world: World) -> None:
    announced: dict[str, set[str]] = {}
    for event in world.events():
        # A job's end is announced once, and what is found out later by an event of its own.
        if (job_id := event["detail"]["data"].get("job_id")) and event["detail-type"] != "image.job.settled":
            announced.setdefault(job_id, set()).add(event["detail"]["event_id"])

    unfinished = [item["job_id"]["S"] for item in _jobs(world) if item["status"]["S"] in {"queued", "processing"}]

    assert not unfinished
    assert announced.keys() == {item["job_id"]["S"] for item in _jobs(world)}
    assert all(len(event_ids) == 1 for event_ids in announced.values())


def test_the_vendor_charged_no_task_that_no_job_knows_and_no_job_twice(world: World) -> None:
    # Of all tenants.
    jobs = [json.loads(item["document"]["S"]) for item in _jobs(world)]
    per_job = {job["job_id"]: [attempt["task_id"] for attempt in job["attempts"]] for job in jobs}
    owners = Counter(task_id for task_ids in per_job.values() for task_id in task_ids if task_id)
    charged = {task["task_id"] for task in world.tasks("") if task["charged_micro_usd"]}

    assert all(count == 1 for count in owners.values())
    assert all(len(charged & set(task_ids)) <= 1 for task_ids in per_job.values())


def test_the_ledger_agrees_with_the_jobs_and_with_the_vendors_books(world: World) -> None:
    finished = world.operate("ledger")

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "DIFFERS" not in finished.stdout
    total, charged = world.ledger(), sum(task["charged_micro_usd"] for task in world.tasks(""))
    assert total["reserved"] == 0
    # What the vendor took is what we say was spent, and some of what we say nobody can tell.
    assert total["spent"] <= charged <= total["spent"] + total["unknown"]


@pytest.mark.parametrize("queue", ["UploadDeadLettersUrl", "WebhookDeadLettersUrl"])
def test_the_dead_letter_queue_is_empty(world: World, queue: str) -> None:
    attributes = world.sqs.get_queue_attributes(
        QueueUrl=world.stack.outputs[queue], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]

    assert attributes["ApproximateNumberOfMessages"] == "0"


def test_the_logs_would_let_nobody_in(world: World) -> None:
    secrets = world.stack.client("secretsmanager")
    provider_key = secrets.get_secret_value(SecretId=world.stack.outputs["ProviderKeySecret"])["SecretString"]
    forbidden = [world.stack.api_key, provider_key, "X-Amz-Signature", "Bearer ", "AWS_SECRET_ACCESS_KEY"]
    forbidden += ["callbacks/job_", "hg_", "whsec_", "webhook-signature"]
    lines = 0
    for line in log_lines(world):
        lines += 1
        found = [word for word in forbidden if word in line]
        assert not found, f"{found} in {line[:300]}"
    assert lines > 100


def _jobs(world: World) -> list[dict[str, Any]]:
    pages = (
        world.stack.client("dynamodb").get_paginator("scan").paginate(TableName=world.stack.outputs["JobsTableName"])
    )
    # Beside the jobs, the table has the owners of their earlier tasks.
    return [item for page in pages for item in page["Items"] if "document" in item]
