"""Faults of create calls, tasks and queries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.provider.connections import ConnectionCut
from local.tests.provider.simulation import OTHER_KEY, Simulation


def _created(simulation: Simulation) -> int:
    return int(simulation.accounts()["created_tasks"])


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("429", 429, 429),
        ("5xx", 503, 503),
        ("401", 401, 401),
        ("402", 402, 402),
        ("refused_content_policy", 400, 400),
        ("200_with_code", 200, 500),
    ],
)
def test_an_error_at_create_makes_no_task(simulation: Simulation, kind: str, status: int, code: int) -> None:
    simulation.fault("create", kind, times=1)
    answer = simulation.create()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "retry-after" not in answer.headers
    assert _created(simulation) == 0
    assert simulation.create().json()["code"] == 200


@pytest.mark.parametrize(("kind", "status"), [("html_502", 502), ("html_524", 524)])
def test_the_edge_answers_in_html(simulation: Simulation, kind: str, status: int) -> None:
    simulation.fault("create", kind)
    answer = simulation.create()
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert _created(simulation) == 0


def test_any_error_at_create_can_hide_a_task_that_was_made(simulation: Simulation) -> None:
    simulation.fault("create", "html_524", task_made=True)
    answer = simulation.create()
    assert answer.status_code == 524
    assert "x-apimodels-task-id" not in answer.headers
    assert _created(simulation) == 1


def test_a_429_can_say_when_to_come_back(simulation: Simulation) -> None:
    simulation.fault("create", "429", retry_after=7)
    assert simulation.create().headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("code", '{"code":503,"msg":"Down"}'),
        ("error_object", '{"error":{"message":"Down"}}'),
        ("error_string", '{"error":"Down"}'),
        ("text", "Down"),
    ],
)
def test_an_error_comes_in_every_shape_that_was_seen(simulation: Simulation, shape: str, body: str) -> None:
    simulation.fault("create", "5xx", shape=shape, msg="Down")
    assert simulation.create().text == body


def test_an_error_can_carry_the_id_of_the_task_it_made(simulation: Simulation) -> None:
    simulation.fault("create", "error_with_header", status=504, shape="html")
    answer = simulation.create()
    assert answer.status_code == 504
    assert simulation.query(answer.headers["x-apimodels-task-id"])["state"] == "pending"


def test_a_200_can_mean_something_else(simulation: Simulation) -> None:
    simulation.fault("create", "200_with_code", code=402, msg="Insufficient balance")
    answer = simulation.create()
    assert answer.status_code == 200
    assert answer.json() == {"code": 402, "msg": "Insufficient balance"}


def test_a_create_can_be_completed_at_once(simulation: Simulation) -> None:
    simulation.fault("create", "completed_at_once")
    data = simulation.create().json()["data"]
    assert data["state"] == "completed"
    assert simulation.result(data["resultUrls"][0]).status_code == 200
    assert simulation.accounts()["charged_micro_usd"] == 60_000


@pytest.mark.parametrize(("kind", "made"), [("cut_before", 0), ("cut_after", 1), ("cut_after_with_header", 1)])
def test_a_cut_create_made_a_task_or_not(simulation: Simulation, kind: str, made: int) -> None:
    simulation.fault("create", kind)
    with pytest.raises(ConnectionCut):
        simulation.create()
    assert _created(simulation) == made


def test_a_slow_create_has_made_its_task(simulation: Simulation) -> None:
    simulation.fault("create", "slow", seconds=0.01)
    assert simulation.create().json()["data"]["state"] == "pending"
    assert _created(simulation) == 1


def test_a_task_can_run_for_ever(simulation: Simulation) -> None:
    simulation.fault("task", "never_finishes")
    task_id = simulation.task()
    simulation.advance(30 * 86_400)
    assert simulation.query(task_id)["state"] == "processing"
    assert simulation.accounts()["frozen_micro_usd"] == 60_000


def test_a_task_can_take_minutes(simulation: Simulation) -> None:
    simulation.fault("task", "long_tail", seconds=600)
    task_id = simulation.task()
    simulation.advance(599)
    assert simulation.query(task_id)["state"] == "processing"
    simulation.advance(1)
    assert simulation.query(task_id)["state"] == "completed"


@pytest.mark.parametrize("code", ["CONTENT_MODERATION", "UPSTREAM_BUSY", "TIMEOUT", "SOMETHING_NEW", None])
@pytest.mark.parametrize("retryable", [True, False, None])
def test_a_task_fails_with_any_code_or_none(simulation: Simulation, code: str | None, retryable: bool | None) -> None:
    said = {"failCode": code, "retryable": retryable}
    simulation.fault("task", "fail", **said)
    failed = simulation.finished()
    assert failed["state"] == "failed"
    assert failed["failMsg"] == "Generation failed"
    assert {name: failed.get(name) for name in said} == said


@pytest.mark.parametrize(("charged", "expected"), [(True, 60_000), (False, 0)])
def test_a_completed_task_can_have_no_result(simulation: Simulation, charged: bool, expected: int) -> None:
    simulation.fault("task", "empty_result", charged=charged)
    done = simulation.finished()
    assert (done["state"], done["resultUrls"]) == ("completed", [])
    assert simulation.accounts()["charged_micro_usd"] == expected


def test_a_completed_task_can_name_its_result_later(simulation: Simulation) -> None:
    simulation.fault("task", "empty_result", seconds=100)
    task_id = simulation.task()
    simulation.advance(60)
    done = simulation.query(task_id)
    assert (done["state"], done["resultUrls"]) == ("completed", [])
    simulation.advance(100)
    done = simulation.query(task_id)
    assert simulation.image(done).format == "JPEG"
    assert json.loads(done["resultJson"])["resultUrls"] == done["resultUrls"]


@pytest.mark.parametrize(("kind", "named"), [("half", {}), ("half", {"bytes": 700}), ("zero_filled", {"bytes": 700})])
def test_a_result_can_be_damaged_and_have_the_right_length(
    simulation: Simulation, kind: str, named: dict[str, int]
) -> None:
    url = simulation.finished()["resultUrls"][0]
    whole = simulation.result(url).content
    simulation.fault("result", kind, **named)
    damaged = simulation.result(url)
    kept = named.get("bytes", len(whole) // 2)
    assert int(damaged.headers["content-length"]) == len(damaged.content)
    assert damaged.content == whole[:kept] + (bytes(len(whole) - kept) if kind == "zero_filled" else b"")


def test_a_task_can_be_in_an_unknown_state_and_still_end(simulation: Simulation) -> None:
    simulation.fault("task", "unknown_state", state="warming_up")
    task_id = simulation.task()
    simulation.advance(5)
    assert simulation.query(task_id)["state"] == "warming_up"
    simulation.advance(60)
    assert simulation.query(task_id)["state"] == "completed"


def test_a_task_can_stay_in_an_unknown_state(simulation: Simulation) -> None:
    simulation.fault("task", "unknown_state", forever=True)
    assert simulation.finished()["state"] == "in_backlog"


def test_the_result_can_stand_in_the_json_string_alone(simulation: Simulation) -> None:
    simulation.fault("task", "result_json_only")
    done = simulation.finished()
    assert not done.get("resultUrls")
    [url] = json.loads(done["resultJson"])["resultUrls"]
    assert simulation.result(url).status_code == 200


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ({"kind": "5xx", "status": 500}, 500, '"code":500'),
        ({"kind": "401"}, 401, '"code":401'),
        ({"kind": "429", "retry_after": 3}, 429, '"code":429'),
        ({"kind": "html", "status": 524}, 524, "<html>"),
        ({"kind": "200_with_code", "code": 501}, 200, '"code":501'),
    ],
)
def test_a_query_can_fail_and_the_next_one_succeeds(
    simulation: Simulation, rule: dict[str, Any], status: int, words: str
) -> None:
    task_id = simulation.task()
    simulation.control("POST", "/faults", json={"on": "query", "times": 1, **rule})
    answer = simulation.ask(task_id)
    assert answer.status_code == status
    assert words in answer.text
    assert simulation.query(task_id)["state"] == "pending"


def test_a_query_can_be_cut_or_slow(simulation: Simulation) -> None:
    task_id = simulation.task()
    simulation.fault("query", "cut", times=1)
    simulation.fault("query", "slow", seconds=0.01, times=1)
    with pytest.raises(ConnectionCut):
        simulation.ask(task_id)
    assert simulation.query(task_id)["state"] == "pending"


def test_a_rule_meets_only_the_prompts_it_names_and_only_so_often(simulation: Simulation) -> None:
    simulation.fault("create", "5xx", match="[case-7]", times=2)
    statuses = [
        simulation.create(prompt=prompt, key=OTHER_KEY).status_code
        for prompt in ("a [case-8]", "a [case-7]", "a [case-7]", "a [case-7]")
    ]
    assert statuses == [200, 503, 503, 200]


def test_the_first_rule_that_fits_wins_and_then_makes_room(simulation: Simulation) -> None:
    simulation.fault("create", "5xx", times=1)
    simulation.fault("create", "429", times=1)
    assert [simulation.create().status_code for _ in range(3)] == [503, 429, 200]
