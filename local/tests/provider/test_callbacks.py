"""Callbacks: delivery, retries and every callback fault."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.tests.provider.simulation import Simulation

_HOOK = "http://127.0.0.1:9999/hooks/unguessable"


def _task(simulation: Simulation, **body: Any) -> str:
    return simulation.task(callback_url=_HOOK, **body)


def test_one_callback_arrives_when_the_task_is_completed(simulation: Simulation) -> None:
    task_id = _task(simulation)
    simulation.advance(5)
    assert simulation.receiver.bodies == []
    simulation.advance(60)
    simulation.advance(3600)
    [body] = simulation.receiver.bodies
    data = body["data"]
    assert (body["code"], body["msg"]) == (200, "success")
    assert (data["taskId"], data["model"], data["state"]) == (task_id, "gpt-image-2-beta", "completed")
    assert json.loads(data["param"])["prompt"] == "a quiet harbour"
    assert json.loads(data["resultJson"])["resultUrls"] == simulation.query(task_id)["resultUrls"]


def test_a_failed_task_is_called_back_too(simulation: Simulation) -> None:
    simulation.fault("task", "fail", failMsg="Busy")
    _task(simulation)
    simulation.advance(60)
    assert simulation.receiver.bodies[0]["data"]["failMsg"] == "Busy"
    assert simulation.receiver.states == ["failed"]


def test_a_refused_callback_is_retried_after_one_two_and_four_seconds(simulation: Simulation) -> None:
    simulation.receiver.answers = [500, 404, 503]
    _task(simulation)
    simulation.advance(60)
    counts = []
    for seconds in (0.9, 0.1, 1.9, 0.1, 3.9, 0.1, 600):
        simulation.advance(seconds)
        counts.append(len(simulation.receiver.bodies))
    assert counts == [1, 2, 2, 3, 3, 4, 4]


def test_a_callback_is_given_up_after_half_an_hour(simulation: Simulation) -> None:
    simulation.receiver.answers = [500] * 10_000
    _task(simulation)
    for _ in range(60):
        simulation.advance(60)
    tries = len(simulation.receiver.bodies)
    assert 6 < tries < 30
    simulation.advance(3600)
    assert len(simulation.receiver.bodies) == tries


def test_a_receiver_that_is_down_is_tried_again(simulation: Simulation) -> None:
    def refuse() -> None:
        raise httpx.ConnectError("down")

    simulation.receiver.watching = refuse
    _task(simulation)
    simulation.advance(60)
    simulation.receiver.watching = None
    simulation.advance(2)
    assert simulation.receiver.states == ["completed"]
    [task] = simulation.control("GET", "/tasks")["tasks"]
    assert [each["outcome"] for each in task["callbacks"]] == ["ConnectError", "HTTP 200"]


@pytest.mark.parametrize(("stops", "expected"), [(True, 1), (False, 2)])
def test_whether_a_4xx_stops_the_retries_is_a_setting(simulation: Simulation, stops: bool, expected: int) -> None:
    simulation.control("POST", "/settings", json={"callback_stops_on_4xx": stops})
    simulation.receiver.answers = [410]
    _task(simulation)
    simulation.advance(60)
    simulation.advance(10)
    assert len(simulation.receiver.bodies) == expected


def test_a_callback_can_arrive_twice(simulation: Simulation) -> None:
    simulation.fault("callback", "duplicate", copies=3)
    _task(simulation)
    simulation.advance(60)
    assert simulation.receiver.states == ["completed"] * 3


def test_a_callback_can_never_arrive(simulation: Simulation) -> None:
    simulation.fault("callback", "never")
    task_id = _task(simulation)
    simulation.advance(3600)
    assert simulation.receiver.bodies == []
    assert simulation.query(task_id)["state"] == "completed"


def test_an_early_callback_arrives_before_the_create_is_answered(simulation: Simulation) -> None:
    simulation.fault("callback", "early")
    answer = simulation.create(callback_url=_HOOK)
    # The clock did not move: this callback arrived before the create call was answered.
    assert simulation.receiver.states == ["completed"]
    assert answer.json()["data"] == {
        "taskId": simulation.receiver.bodies[0]["data"]["taskId"],
        "state": "pending",
    }
    simulation.advance(60)
    assert len(simulation.receiver.bodies) == 1
    assert simulation.accounts()["charged_micro_usd"] == 60_000


def test_a_reordered_callback_is_overtaken_by_the_next_one(simulation: Simulation) -> None:
    simulation.fault("callback", "reordered", match="first", hold_seconds=10_000)
    _task(simulation, prompt="first")
    simulation.advance(60)
    _task(simulation, prompt="second")
    simulation.advance(60)
    simulation.advance(0)
    prompts = [json.loads(body["data"]["param"])["prompt"] for body in simulation.receiver.bodies]
    assert prompts == ["second", "first"]


def test_a_reordered_callback_without_a_follower_comes_late(simulation: Simulation) -> None:
    simulation.fault("callback", "reordered", hold_seconds=100)
    _task(simulation)
    simulation.advance(60)
    assert simulation.receiver.bodies == []
    simulation.advance(101)
    assert simulation.receiver.states == ["completed"]


def test_a_stale_callback_carries_an_older_state_last(simulation: Simulation) -> None:
    simulation.fault("callback", "stale")
    _task(simulation)
    simulation.advance(60)
    simulation.advance(2)
    assert simulation.receiver.states == ["completed", "processing"]


def test_a_forged_callback_claims_what_is_not_true(simulation: Simulation) -> None:
    simulation.fault("callback", "forged", result_url="https://attacker.example/x.jpeg")
    task_id = _task(simulation)
    simulation.advance(5)
    [lie] = simulation.receiver.bodies
    assert (lie["data"]["taskId"], lie["data"]["state"]) == (task_id, "completed")
    assert lie["data"]["resultUrls"] == ["https://attacker.example/x.jpeg"]
    assert simulation.query(task_id)["state"] == "processing"
    simulation.advance(60)
    assert simulation.receiver.states == ["completed", "completed"]
    assert "attacker" not in simulation.receiver.bodies[1]["data"]["resultJson"]


def test_without_a_callback_url_nobody_is_called(simulation: Simulation) -> None:
    simulation.fault("callback", "forged")
    simulation.finished()
    assert simulation.receiver.bodies == []


_GATEWAY = "https://abc.execute-api.us-east-1.amazonaws.com"
_ON_LOOPBACK = "http://127.0.0.1:4566/_aws/execute-api/abc"


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        (f"{_GATEWAY}/live/v1/callbacks/job_1/t?a=b", f"{_ON_LOOPBACK}/live/v1/callbacks/job_1/t?a=b"),
        (
            "https://xyz.execute-api.us-east-1.amazonaws.com/live",
            "https://xyz.execute-api.us-east-1.amazonaws.com/live",
        ),
        (f"http://relay.test/?to={_GATEWAY}", f"http://relay.test/?to={_GATEWAY}"),
    ],
)
def test_a_callback_goes_where_the_settings_say_its_origin_is(simulation: Simulation, url: str, reached: str) -> None:
    simulation.control("POST", "/settings", json={"callback_origins": {_GATEWAY: _ON_LOOPBACK}})
    simulation.task(callback_url=url)
    simulation.advance(60)
    assert simulation.receiver.urls == [reached]
    # What was asked for is what is shown.
    [task] = simulation.control("GET", "/tasks")["tasks"]
    assert [each["url"] for each in task["callbacks"]] == [url]


def test_a_retry_goes_there_too(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"callback_origins": {_GATEWAY: _ON_LOOPBACK}})
    simulation.receiver.answers = [500]
    simulation.task(callback_url=f"{_GATEWAY}/live")
    simulation.advance(60)
    simulation.advance(1)
    assert simulation.receiver.urls == [f"{_ON_LOOPBACK}/live"] * 2
