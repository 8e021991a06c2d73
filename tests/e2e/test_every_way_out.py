"""However a workflow ends, its job ends: in one terminal state, with one event, and with its picture if it is paid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from heliograph.jobs.deadlines import START_GRACE

from tests.e2e.conftest import JOB_DEADLINE_SECONDS, WAIT_SCALE, SlowJobs
from tests.e2e.deployed import environment, function, invoke
from tests.e2e.world import World, wait_until

DENY_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "states:StartExecution", "Resource": "*"}],
}


def execution(world: World, job_id: str) -> str:
    return world.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{job_id}"


def status(world: World, job_id: str) -> str:
    described = world.stack.client("stepfunctions").describe_execution(executionArn=execution(world, job_id))
    return str(described["status"])


def endings(world: World, job_id: str) -> set[tuple[str, str]]:
    """Type and event id of every event about the job's end."""
    found = world.events(lambda event: event["detail"]["data"].get("job_id") == job_id)
    return {(event["detail-type"], event["detail"]["event_id"]) for event in found}


@contextmanager
def unhurried(world: World) -> Iterator[None]:
    """Wait states take their real time, for as long as the block lasts."""
    configuration, setting = f"{world.stack.endpoint}/_ministack/config", "stepfunctions._SFN_WAIT_SCALE"
    world.http.post(configuration, json={setting: 1.0}).raise_for_status()
    try:
        yield
    finally:
        world.http.post(configuration, json={setting: WAIT_SCALE}).raise_for_status()


def test_an_aborted_executions_job_is_watched_by_the_sweep_and_still_gets_its_picture(world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    job_id = world.post(prompt=mark)["id"]
    wait_until(lambda: world.job(job_id)["status"] == "processing", seconds=30, what="a running task")

    world.stack.client("stepfunctions").stop_execution(executionArn=execution(world, job_id))
    wait_until(
        lambda: json.loads(_item(world, job_id)["document"]["S"])["orphaned_at"],
        seconds=30,
        what="a note that nobody waits for the task",
    )
    assert world.job(job_id)["status"] == "processing"  # the task may still bring a paid picture
    world.finish(mark)
    swept = _swept(world, job_id)

    assert swept == f"recovered {job_id}: over"
    assert world.job(job_id)["status"] == "succeeded"
    assert world.job(job_id)["charged"] == "yes"
    assert len(endings(world, job_id)) == 1


def test_an_execution_aborted_after_the_task_was_paid_still_delivers_its_picture(world: World, mark: str) -> None:
    world.fault("callback", "never", mark)
    with unhurried(world):  # the workflow waits its real 17 s before it asks
        job_id = world.post(prompt=mark)["id"]
        wait_until(lambda: world.job(job_id)["status"] == "processing", seconds=10, what="a running task")
        wait_until(lambda: world.tasks(mark)[0]["charged_micro_usd"], seconds=10, what="a task that is charged")
        world.stack.client("stepfunctions").stop_execution(executionArn=execution(world, job_id))

        job = world.finished(job_id)

    assert status(world, job_id) == "ABORTED"
    assert job["status"] == "succeeded"
    assert job["charged"] == "yes"
    assert world.result(world.event_of(job_id))[0]
    assert len(endings(world, job_id)) == 1


def test_an_execution_that_times_out_leaves_a_job_that_ends_all_the_same(world: World, mark: str) -> None:
    machine = world.stack.outputs["StateMachineArn"]
    workflows = world.stack.client("stepfunctions")
    usual = workflows.describe_state_machine(stateMachineArn=machine)["definition"]
    world.fault("task", "never_finishes", mark)
    hasty = {**json.loads(usual), "TimeoutSeconds": 30}
    workflows.update_state_machine(stateMachineArn=machine, definition=json.dumps(hasty))
    try:
        job_id = world.post(prompt=mark)["id"]
        wait_until(lambda: status(world, job_id) == "TIMED_OUT", seconds=60, what="the time-out")
    finally:
        workflows.update_state_machine(stateMachineArn=machine, definition=usual)

    world.finish(mark)
    _swept(world, job_id)

    assert world.job(job_id)["status"] == "succeeded"
    assert len(endings(world, job_id)) == 1


def test_a_function_that_cannot_run_ends_in_a_closed_job_not_in_a_hanging_one(
    world: World, slow_jobs: SlowJobs, mark: str
) -> None:
    # Whoever needs it just then would be closed as well.
    for job_id in (*slow_jobs.lost.values(), slow_jobs.resubmitted):
        world.finished(job_id, seconds=JOB_DEADLINE_SECONDS + 60)
    with environment(world, function(world, "DispatchJob"), ROUTES="[]"):
        job_id = world.post(prompt=mark)["id"]
        job = world.finished(job_id, seconds=120)

    assert job["status"] == "failed"
    assert job["failure"]["code"] == "internal"
    assert job["failure"]["message"].startswith("the workflow ended early: dispatch_job: ")
    assert job["charged"] == "no"
    assert not world.tasks(mark)
    assert len(endings(world, job_id)) == 1


def test_finalizing_twice_changes_nothing_and_repeats_the_same_event(world: World, mark: str) -> None:
    job_id = world.post(prompt=mark)["id"]
    first = world.event_of(job_id)
    place = first["detail"]["data"]["results"][0]
    before = world.job(job_id)
    history = world.stack.client("stepfunctions").get_execution_history(
        executionArn=execution(world, job_id), maxResults=1000
    )["events"]
    finished = next(
        json.loads(event["stateEnteredEventDetails"]["input"])
        for event in history
        if event.get("stateEnteredEventDetails", {}).get("name") == "FinalizeJob"
    )

    answer = world.stack.client("lambda").invoke(
        FunctionName=function(world, "FinalizeJob"), Payload=json.dumps(finished).encode()
    )

    assert json.loads(answer["Payload"].read())["outcome"] == "over"
    wait_until(
        lambda: len(world.events(lambda event: event["detail"]["event_id"] == first["detail"]["event_id"])) == 2,
        seconds=30,
        what="the event again",
    )
    assert len(endings(world, job_id)) == 1
    versions = world.s3.list_object_versions(Bucket=place["bucket"], Prefix=place["key"])["Versions"]
    assert len(versions) == 1
    after = world.job(job_id)
    for view in (before, after):
        view["results"] = [{**result, "url": None, "url_expires_at": None} for result in view["results"]]
    assert after == before


def test_a_job_that_could_not_be_started_is_accepted_and_started_by_the_sweep(world: World, mark: str) -> None:
    roles, name = world.stack.client("iam"), function(world, "SubmitJob")
    role = world.stack.client("lambda").get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
    roles.put_role_policy(RoleName=role, PolicyName="not-now", PolicyDocument=json.dumps(DENY_EVERYTHING))
    try:
        job_id = world.post(prompt=mark)["id"]  # 202: it is written down
    finally:
        roles.delete_role_policy(RoleName=role, PolicyName="not-now")
    assert world.job(job_id)["status"] == "queued"

    assert _swept(world, job_id) == f"started {job_id}"

    assert world.finished(job_id)["status"] == "succeeded"
    assert len(world.tasks(mark)) == 1


def test_a_late_status_event_changes_nothing_about_a_job_that_is_over(world: World, mark: str) -> None:
    job_id = world.post(prompt=mark)["id"]
    done = world.finished(job_id)
    world.event_of(job_id)
    assert done["status"] == "succeeded"

    invoke(world, "RecoverJob", {"outcome": "crashed", "job_id": job_id, "error": "a late status event"})

    assert world.job(job_id)["status"] == "succeeded"
    assert len(endings(world, job_id)) == 1


def _item(world: World, job_id: str) -> dict[str, Any]:
    table = world.stack.outputs["JobsTableName"]
    found = world.stack.client("dynamodb").get_item(TableName=table, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
    item: dict[str, Any] = found["Item"]
    return item


def _swept(world: World, job_id: str) -> str:
    """What the sweep did about the job, once its time has come (which is brought about here)."""

    def look() -> str | None:
        if "attention_at" not in _item(world, job_id):
            return "nothing"
        _make_due(world, job_id)
        return next((line for line in invoke(world, "SweepJobs", {}) if job_id in line and "waited" not in line), None)

    # What began with its day is not old enough in the day's first minutes.
    patience = 60 + START_GRACE.total_seconds()
    return wait_until(look, seconds=patience, what=f"the sweep to look after {job_id}")


def _make_due(world: World, job_id: str) -> None:
    """As if the minutes had passed: the sweep's index and the job's record both say that it is time."""
    item = _item(world, job_id)
    document = json.loads(item["document"]["S"])
    for moment in ("created_at", "orphaned_at"):
        if document.get(moment):
            # The beginning of its own day: its money stands on the pages of that day.
            document[moment] = f"{document[moment][: len('2026-11-22')]}T00:00:00Z"
    world.stack.client("dynamodb").update_item(
        TableName=world.stack.outputs["JobsTableName"],
        Key={"job_id": {"S": job_id}},
        UpdateExpression="SET attention_at = :long_ago, document = :document",
        ExpressionAttributeValues={":long_ago": {"N": "1"}, ":document": {"S": json.dumps(document)}},
    )
