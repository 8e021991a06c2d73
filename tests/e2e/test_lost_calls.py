"""A create call whose answer is lost: its task announces itself, and nobody pays twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.conftest import JOB_DEADLINE_SECONDS, SlowJobs
from tests.e2e.deployed import environment, function, invoke
from tests.e2e.world import World, wait_until


@contextmanager
def account_of_its_own(world: World, mark: str) -> Iterator[None]:
    """An account at the vendor on which no other test's task runs: tasks that never end hold money for ever."""
    secrets, secret = world.stack.client("secretsmanager"), world.stack.outputs["ProviderKeySecret"]
    usual = secrets.get_secret_value(SecretId=secret)["SecretString"]
    secrets.put_secret_value(SecretId=secret, SecretString=f"sk_{mark}OfItsOwn")
    # With a changed environment, functions begin anew, and remember no key.
    with (
        environment(world, function(world, "DispatchJob"), BEGINS_ANEW=mark),
        environment(world, function(world, "PollTask"), BEGINS_ANEW=mark),
    ):
        try:
            yield
        finally:
            # Before they begin anew once more.
            secrets.put_secret_value(SecretId=secret, SecretString=usual)


@pytest.mark.parametrize("lost", ["cut_after", "html_524"])
def test_a_task_whose_answer_was_lost_announces_itself_and_is_delivered(world: World, mark: str, lost: str) -> None:
    world.fault("create", lost, mark, task_made=True)

    job = world.finished(world.post(prompt=mark)["id"])

    [attempt] = job["attempts"]
    [task] = world.tasks(mark)
    assert job["status"] == "succeeded"
    assert attempt["task_id"] == task["task_id"]
    assert attempt["uncertainty"]
    assert job["price_usd"] == "0.06"
    assert task["charged_micro_usd"] == 60_000


def test_a_lost_task_of_the_second_provider_announces_itself_too(world: World, mark: str) -> None:
    world.fault("create", "cut_after", mark, provider="kie", task_made=True)

    job = world.finished(world.post(prompt=mark, policy="cheapest")["id"])

    assert job["status"] == "succeeded"
    assert [attempt["provider"] for attempt in job["attempts"]] == ["kie"]
    assert len(world.tasks(mark)) == 1


def test_a_callback_that_comes_before_its_create_is_answered_changes_nothing(world: World, mark: str) -> None:
    world.fault("callback", "early", mark)

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert len(job["attempts"]) == len(world.tasks(mark)) == 1


@pytest.mark.parametrize("kind", ["duplicate", "forged", "stale", "reordered"])
def test_strange_callbacks_change_nothing(world: World, mark: str, kind: str) -> None:
    world.fault("callback", kind, mark)

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert len(job["attempts"]) == len(world.tasks(mark)) == 1
    assert "attacker.example" not in str(job)


def test_a_wrong_token_is_told_nothing(world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    job_id = world.post(prompt=mark)["id"]
    before = len(world.vendor_calls())

    for place in (f"{job_id}/wrong-token", "job_aaaaaaaaaaaaaaaaaaaaaaaaaa/token", "nothing/token"):
        answer = httpx.post(f"{world.stack.api_url}/v1/callbacks/{place}", json={"data": {"taskId": "t-1"}}, timeout=30)
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"

    asked = [call for call in world.vendor_calls()[before:] if "t-1" in str(call)]
    assert not asked
    world.finish(mark)


def test_a_call_that_an_edge_answered_goes_on_elsewhere_once_the_books_prove_that_no_task_was_made(
    world: World, slow_jobs: SlowJobs, mark: str
) -> None:
    # Its second call would be charged to the same account, and books that move prove nothing.
    world.finished(slow_jobs.resubmitted, seconds=2 * JOB_DEADLINE_SECONDS)
    world.fault("create", "html_502", mark)

    with account_of_its_own(world, mark):
        job = world.finished(world.post(prompt=mark)["id"], seconds=JOB_DEADLINE_SECONDS + 30)

    lost, second = job["attempts"]
    assert job["status"] == "succeeded"
    assert (lost["failure"]["code"], lost["failure"]["charged"]) == ("route_unavailable", "no")
    assert "by the provider's books" in lost["failure"]["message"]
    assert second["route"] != lost["route"]
    assert len(world.tasks(mark)) == 1
    assert job["price_usd"] == second["price_usd"]


def test_a_task_that_ends_after_its_job_is_delivered_charged_and_announced(world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    job = world.finished(world.post(prompt=mark)["id"], seconds=2 * JOB_DEADLINE_SECONDS + 60)
    assert (job["status"], job["charged"], job["results"]) == ("failed", "unknown", [])
    before = world.ledger()

    world.finish(mark)
    wait_until(
        lambda: any(callback["outcome"] == "HTTP 204" for callback in world.tasks(mark)[0]["callbacks"]) or None,
        seconds=30,
        what="the vendor's callback to be taken",
    )
    invoke(world, "SweepJobs", {})

    late = world.job(job["id"])
    assert (late["status"], late["finished_at"]) == ("failed", job["finished_at"])
    assert (late["charged"], late["price_usd"]) == ("yes", "0.06")
    assert late["delivered_late_at"]
    [result] = late["results"]
    assert httpx.get(result["url"], timeout=30).content[:2] in {b"\xff\xd8", b"\x89P", b"RI"}
    after = world.ledger()
    assert after["spent"] - before["spent"] == before["unknown"] - after["unknown"] == 60_000
    kinds = [
        event["detail-type"] for event in world.events(lambda event: event["detail"]["data"].get("job_id") == job["id"])
    ]
    assert sorted(set(kinds)) == ["image.job.failed", "image.job.settled"]
