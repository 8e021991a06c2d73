"""A route that fails is followed by another, by the class of the failure, never where that could be paying twice."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import KIE
from tests.e2e.world import World

BETA, SECOND = "gpt-image-2-beta", "gpt-image-2"


def attempted(job: dict[str, Any]) -> list[str]:
    return [attempt["model"] for attempt in job["attempts"]]


def test_a_busy_model_is_tried_once_more_and_then_the_other_one(world: World, mark: str) -> None:
    world.fault("task", "fail", mark, times=2, failCode="UPSTREAM_BUSY")

    job = world.finished(world.post(prompt=mark)["id"])

    assert attempted(job) == [BETA, BETA, SECOND]
    assert job["status"] == "succeeded"
    assert job["price_usd"] == "0.05"
    assert [attempt["failure"] is None for attempt in job["attempts"]] == [False, False, True]
    assert sum(task["charged_micro_usd"] for task in world.tasks(mark)) == 50_000
    assert world.event_of(job["id"])["detail"]["data"]["attempts"] == 3


def test_an_empty_balance_for_the_dearer_model_leads_to_the_other_one(world: World, mark: str) -> None:
    world.fault("create", "402", mark, times=1)

    job = world.finished(world.post(prompt=mark)["id"])

    assert attempted(job) == [BETA, SECOND]
    assert job["status"] == "succeeded"
    assert len(world.tasks(mark)) == 1


def test_a_preset_may_ask_for_the_cheapest_route(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark, policy="cheapest")
    key = f"uploads/{preset}/{mark}.png"
    world.upload(key, photo)

    data = world.event_about(key)["detail"]["data"]

    assert data["model"] == SECOND
    assert data["provider"] == "kie"
    assert data["price_usd"] == "0.03"


def test_blocked_content_is_not_tried_elsewhere(world: World, mark: str) -> None:
    world.fault("task", "fail", mark, times=None, failCode="CONTENT_MODERATION")

    assert attempted(world.finished(world.post(prompt=mark)["id"])) == [BETA]


def test_a_dry_run_says_what_a_job_would_be_and_spends_nothing(world: World, mark: str) -> None:
    references = [f"https://example.com/{index}.png" for index in range(12)]
    quotes = [
        world.call("POST", "/v1/jobs", json={"prompt": mark, "dry_run": True, **more})
        for more in ({}, {"policy": "cheapest"}, {"references": references})
    ]

    assert [answer.status_code for answer in quotes] == [200] * 3
    anything, cheapest, many = (answer.json() for answer in quotes)
    assert [route["name"] for route in anything["routes"]] == [BETA, SECOND, KIE]
    assert (anything["price_usd"], anything["price_usd_at_most"]) == ("0.06", "0.06")
    assert (cheapest["price_usd"], cheapest["price_usd_at_most"]) == ("0.03", "0.06")
    assert [route["name"] for route in many["routes"]] == [BETA, KIE]
    assert anything["request"]["aspect_ratio"] == "auto"
    assert not world.tasks(mark)


def test_a_policy_that_contradicts_the_document_is_refused(world: World, mark: str) -> None:
    for document, pointer in (
        ({"policy": "pinned"}, "/model"),
        ({"policy": "cheapest", "model": BETA}, "/policy"),
        ({"policy": "fastest"}, "/policy"),
        ({"dry_run": "yes"}, "/dry_run"),
    ):
        answer = world.call("POST", "/v1/jobs", json={"prompt": mark, **document})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
