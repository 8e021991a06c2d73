"""A create call whose answer is lost: its task announces itself, and nobody pays twice."""

from __future__ import annotations

import httpx
import pytest

from tests.e2e.world import World


@pytest.mark.parametrize("lost", ["cut_after", "html_524"])
def test_a_task_whose_answer_was_lost_announces_itself_and_is_delivered(world: World, mark: str, lost: str) -> None:
    world.fault("create", lost, mark, task_made=True)

    job = world.finished(world.post(prompt=mark)["id"])

    [attempt] = job["attempts"]
    [task] = world.tasks(mark)
    assert job["status"] == "succeeded"
    assert attempt["task_id"] == task["task_id"]
    assert attempt["doubt"]
    assert job["price_usd"] == "0.06"
    assert task["charged_micro_usd"] == 60_000


def test_a_lost_task_of_the_second_provider_announces_itself_too(world: World, mark: str) -> None:
    world.fault("create", "cut_after", mark, vendor="kie", task_made=True)

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
