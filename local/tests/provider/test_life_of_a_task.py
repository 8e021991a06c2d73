"""The life of a task: its states from pending to the end, and its hold."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from local.provider.accounts import Accounts, AlreadySettled
from local.provider.settings import Settings
from local.provider.tasks import plan_schedule
from local.tests.provider.simulation import KEY, OTHER_KEY, Simulation


def test_a_task_is_pending_then_processing_then_completed(simulation: Simulation) -> None:
    task_id = simulation.task()
    assert simulation.query(task_id)["state"] == "pending"
    simulation.advance(5)
    assert simulation.query(task_id)["state"] == "processing"
    simulation.advance(36)
    done = simulation.query(task_id)
    assert done["state"] == "completed"
    assert done["model"] == "gpt-image-2-beta"
    assert done["modelType"] == "TEXT_TO_IMAGE"
    assert done["credits"] == 0.06
    assert json.loads(done["resultJson"]) == {"resultUrls": done["resultUrls"]}
    assert 15_000 <= done["completeTime"] - done["createTime"] <= 40_000


def test_a_query_alone_finishes_what_is_due(simulation: Simulation) -> None:
    task_id = simulation.task()
    simulation.clock.now += 41
    assert simulation.query(task_id)["state"] == "completed"


def test_latency_is_the_seeds_within_the_bounds_and_scales() -> None:
    schedules = [plan_schedule(Settings(seed=7), number, 0.0, None) for number in range(300)]
    dues = [schedule.due_at or 0.0 for schedule in schedules]
    assert all(15 <= due <= 40 for due in dues)
    assert max(dues) - min(dues) > 20
    assert schedules == [plan_schedule(Settings(seed=7), number, 0.0, None) for number in range(300)]
    assert schedules != [plan_schedule(Settings(seed=8), number, 0.0, None) for number in range(300)]
    quick = plan_schedule(Settings(seed=7, latency_scale=0.1), 0, 0.0, None)
    assert quick.due_at == pytest.approx(dues[0] / 10)


def test_a_share_of_the_tasks_takes_minutes_when_asked() -> None:
    settings = Settings(tail_probability=0.25)
    slow = [plan_schedule(settings, number, 0.0, None).due_at == 900.0 for number in range(400)]
    assert 60 < sum(slow) < 140


@pytest.mark.parametrize("parameter", ["taskId", "id"])
def test_another_parameter_than_task_id_fails(simulation: Simulation, parameter: str) -> None:
    answer = simulation.call("GET", "/images/generations", params={parameter: simulation.task()})
    assert answer.status_code == 400


def test_the_path_form_of_the_query_fails(simulation: Simulation) -> None:
    answer = simulation.call("GET", f"/images/generations/{simulation.task()}")
    assert answer.status_code == 404
    assert answer.json()["code"] == 404


def test_a_task_belongs_to_its_key(simulation: Simulation) -> None:
    task_id = simulation.task()
    assert simulation.ask(task_id, key=OTHER_KEY).status_code == 404
    assert simulation.ask("clxnothing").status_code == 404


def test_money_is_held_at_create_and_charged_once_on_completion(simulation: Simulation) -> None:
    task_id = simulation.task()
    held = simulation.call("GET", "/balance").json()["data"]
    assert held == {"balance": 100.0, "total": 100.0, "frozen": 0.06, "currency": "USD"}
    simulation.advance(60)
    for _ in range(3):
        simulation.query(task_id)
    paid = simulation.call("GET", "/balance").json()["data"]
    assert (paid["balance"], paid["frozen"]) == (99.94, 0.0)
    [entry] = simulation.accounts()["tasks"]
    assert (entry["task_id"], entry["charged_micro_usd"], entry["held_micro_usd"]) == (task_id, 60_000, 0)


def test_money_of_a_failed_task_is_released(simulation: Simulation) -> None:
    simulation.fault("task", "fail", failCode="UPSTREAM_BUSY", failMsg="Busy", retryable=True)
    failed = simulation.finished()
    assert (failed["state"], failed["failCode"], failed["retryable"]) == ("failed", "UPSTREAM_BUSY", True)
    accounts = simulation.accounts()
    assert (accounts["charged_micro_usd"], accounts["released_micro_usd"], accounts["frozen_micro_usd"]) == (
        0,
        60_000,
        0,
    )
    assert accounts["balance_usd"] == 100.0


def test_the_filter_stops_a_marked_prompt_only_where_it_is_on(simulation: Simulation) -> None:
    on = simulation.finished(prompt="an nsfw-test", nsfw_checker=True)
    off = simulation.finished(prompt="an nsfw-test", nsfw_checker=False)
    unsaid = simulation.finished(prompt="an nsfw-test")
    assert (on["state"], on["failCode"], on["failMsg"]) == (
        "failed",
        "CONTENT_MODERATION",
        "Content policy violation",
    )
    assert (off["state"], unsaid["state"]) == ("completed", "completed")


def test_each_key_has_its_own_account(simulation: Simulation) -> None:
    simulation.task()
    simulation.task(key=OTHER_KEY)
    simulation.advance(60)
    assert simulation.accounts(KEY)["charged_micro_usd"] == 60_000
    assert simulation.accounts(OTHER_KEY)["charged_micro_usd"] == 60_000


def test_many_who_ask_at_once_get_the_same_ending_and_one_charge(simulation: Simulation) -> None:
    task_id = simulation.task()
    simulation.clock.now += 60
    answers = simulation.at_once(*[("GET", f"/images/generations?task_id={task_id}")] * 8)
    assert {answer.json()["data"]["state"] for answer in answers} == {"completed"}
    assert len({answer.json()["data"]["resultUrls"][0] for answer in answers}) == 1
    assert simulation.accounts()["charged_micro_usd"] == 60_000


@pytest.mark.parametrize("again", [Accounts.charge, Accounts.release])
def test_a_hold_is_settled_once(again: Callable[[Accounts, str], None]) -> None:
    accounts = Accounts(lambda: 100)
    accounts.hold("sk", "task", 0)
    accounts.charge("task")
    with pytest.raises(AlreadySettled):
        again(accounts, "task")
