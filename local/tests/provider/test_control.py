"""The control plane: accounts, tasks, calls, settings and fault rules."""

from __future__ import annotations

from typing import Any

import pytest

from local.provider.faults import KINDS
from local.tests.provider.simulation import API, KEY, OTHER_KEY, Simulation


def _raw(simulation: Simulation, method: str, path: str, **request: Any) -> Any:
    return simulation._ask(simulation.simulator.api, method, f"{API}/_sim{path}", **request)


def test_the_manual_names_every_fault_kind(simulation: Simulation) -> None:
    manual = _raw(simulation, "GET", "/").text
    missing = [kind for kinds in KINDS.values() for kind in kinds if kind not in manual]
    assert missing == []


def test_tasks_show_what_was_sent_and_what_it_cost(simulation: Simulation) -> None:
    task_id = simulation.task(aspect_ratio="16:9", nsfw_checker=False, callback_url="http://hooks.test/x")
    simulation.task(key=OTHER_KEY, prompt="something else")
    simulation.advance(60)
    [task] = simulation.control("GET", "/tasks", params={"match": "harbour"})["tasks"]
    assert (task["task_id"], task["key"], task["state"]) == (task_id, KEY, "completed")
    assert task["params"] == {
        "model": "gpt-image-2-beta",
        "prompt": "a quiet harbour",
        "aspect_ratio": "16:9",
        "nsfw_checker": False,
        "callback_url": "http://hooks.test/x",
    }
    assert (task["held_micro_usd"], task["charged_micro_usd"]) == (0, 60_000)
    assert [each["outcome"] for each in task["callbacks"]] == ["HTTP 200"]
    assert len(simulation.control("GET", "/tasks", params={"key": OTHER_KEY})["tasks"]) == 1


def test_accounts_of_all_keys_are_shown(simulation: Simulation) -> None:
    simulation.task()
    simulation.task(key=OTHER_KEY)
    assert set(simulation.control("GET", "/accounts")["keys"]) == {KEY, OTHER_KEY}


def test_requests_are_logged_without_keys(simulation: Simulation) -> None:
    url = simulation.finished()["resultUrls"][0]
    simulation.result(url)
    log = simulation.control("GET", "/requests")["requests"]
    assert [(each["origin"], each["method"], each["status"], each["has_authorization"]) for each in log] == [
        ("api", "POST", 200, True),
        ("api", "GET", 200, True),
        ("results", "GET", 200, False),
    ]
    assert log[2]["user_agent"] == "a test"
    assert KEY not in str(log)
    assert len(simulation.control("GET", "/requests", params={"origin": "results"})["requests"]) == 1


def test_settings_change_while_it_runs(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"latency_scale": 0, "output_format": "webp"})
    task_id = simulation.task()
    assert simulation.query(task_id)["resultUrls"][0].endswith(".webp")


@pytest.mark.parametrize(
    "body",
    [
        {"no_such_setting": 1},
        {"latency_scale": "fast"},
        {"latency_scale": -1},
        {"rate_limit": 1},
        {"output_format": "gif"},
        {"balances_usd": {"sk_x": "much"}},
        {"balances_usd": 5},
        {"prices_usd": {"gpt-image-2": "x"}},
        {"callback_origins": "http://127.0.0.1"},
        {"callback_origins": {"https://abc.example.com": 4566}},
        {"callback_origins": {"": "http://127.0.0.1"}},
        {"callback_origins": {"https://abc.example.com": ""}},
    ],
)
def test_a_bad_setting_is_refused_and_changes_nothing(simulation: Simulation, body: dict[str, Any]) -> None:
    before = simulation.control("GET", "/settings")
    answer = _raw(simulation, "POST", "/settings", json={"seed": 99, **body})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert simulation.control("GET", "/settings") == before


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "nothing", "kind": "5xx"},
        {"on": "create", "kind": "duplicate"},
        {"on": "create", "kind": "5xx", "times": 0},
        {"on": "create", "kind": "5xx", "match": 5},
        {"on": "create", "kind": "5xx", "provider": "openai"},
        {"on": "create", "kind": "5xx", "provider": ["kie"]},
        {},
    ],
)
def test_a_bad_rule_is_refused(simulation: Simulation, rule: dict[str, Any]) -> None:
    assert _raw(simulation, "POST", "/faults", json=rule).status_code == 400
    assert simulation.control("GET", "/faults")["faults"] == []


def test_rules_are_counted_and_removed(simulation: Simulation) -> None:
    first = simulation.fault("create", "5xx", times=1)
    second = simulation.fault("create", "429")
    simulation.create()
    used = {each["id"]: each["used"] for each in simulation.control("GET", "/faults")["faults"]}
    assert used == {first: 1, second: 0}
    assert simulation.control("DELETE", "/faults", params={"id": second}) == {"removed": 1}
    assert simulation.control("DELETE", "/faults") == {"removed": 1}
    assert simulation.create().status_code == 200


def test_running_tasks_can_be_finished_by_hand(simulation: Simulation) -> None:
    simulation.fault("task", "never_finishes")
    task_id, other = simulation.task(prompt="this one"), simulation.task(prompt="not that")
    assert simulation.control("POST", "/finish", json={"match": "this"}) == {"finished": [task_id]}
    assert simulation.query(task_id)["state"] == "completed"
    assert simulation.query(other)["state"] == "pending"


def test_a_reset_forgets_everything(simulation: Simulation) -> None:
    url = simulation.finished()["resultUrls"][0]
    simulation.receiver.answers = [500]
    simulation.finished(callback_url="http://hooks.test/x")
    running = simulation.task(callback_url="http://hooks.test/x")
    simulation.fault("create", "5xx")
    simulation.control("POST", "/settings", json={"balance_usd": 1.0})
    simulation.control("POST", "/reset")
    assert simulation.control("GET", "/tasks") == {"tasks": []}
    assert simulation.control("GET", "/requests") == {"requests": []}
    assert simulation.ask(running).status_code == 404
    assert simulation.result(url).status_code == 404
    assert simulation.accounts()["balance_usd"] == 100.0
    assert simulation.create().status_code == 200
    simulation.advance(60)
    assert len(simulation.receiver.bodies) == 1
