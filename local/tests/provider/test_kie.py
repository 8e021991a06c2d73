"""kie.ai: its own wire format over the same queue, accounts, faults and callbacks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.provider.connections import ConnectionCut
from local.tests.provider.simulation import KEY, Simulation, photo

_KEY = "00112233445566778899aabbccddeeff"
_OTHER_KEY = "ffeeddccbbaa99887766554433221100"
_BASE = "/kie/api/v1"
_TEXT, _EDIT = "gpt-image-2-text-to-image", "gpt-image-2-image-to-image"
_HOOK = "http://127.0.0.1:9999/callbacks/job_1/unguessable"
_REF = "https://images.test/a.png"


def _create(
    simulation: Simulation, model: str = _TEXT, *, key: str | None = _KEY, hook: str | None = None, **inputs: Any
) -> httpx.Response:
    body: dict[str, Any] = {"model": model, "input": {"prompt": "a quiet harbour", **inputs}}
    if hook:
        body["callBackUrl"] = hook
    return simulation.call("POST", "/jobs/createTask", key=key, base=_BASE, json=body)


def _task(simulation: Simulation, model: str = _TEXT, **named: Any) -> str:
    answer = _create(simulation, model, **named).json()
    assert answer["code"] == 200, answer
    return str(answer["data"]["taskId"])


def _ask(simulation: Simulation, task_id: str, key: str = _KEY) -> dict[str, Any]:
    answer = simulation.call("GET", "/jobs/recordInfo", key=key, base=_BASE, params={"taskId": task_id})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _record(simulation: Simulation, task_id: str) -> dict[str, Any]:
    body = _ask(simulation, task_id)
    assert body["code"] == 200, body
    data: dict[str, Any] = body["data"]
    return data


def _finished(simulation: Simulation, model: str = _TEXT, **named: Any) -> dict[str, Any]:
    task_id = _task(simulation, model, **named)
    simulation.advance(60)
    return _record(simulation, task_id)


def test_a_created_task_is_answered_with_its_id_alone(simulation: Simulation) -> None:
    answer = _create(simulation)
    assert answer.status_code == 200
    assert (answer.json()["code"], answer.json()["msg"], list(answer.json()["data"])) == (200, "success", ["taskId"])
    assert "x-apimodels-task-id" not in answer.headers


def test_a_task_waits_queues_is_generated_and_succeeds(simulation: Simulation) -> None:
    task_id = _task(simulation)
    [task] = simulation.control("GET", "/tasks")["tasks"]
    whole_seconds = (task["due_at"] - task["created_at"]) / 1000
    states = []
    for share in (0, 0.07, 0.1, 0.9):
        simulation.advance(share * whole_seconds)
        states.append(_record(simulation, task_id)["state"])
    assert states == ["waiting", "queuing", "generating", "success"]


def test_a_finished_task_shows_its_links_in_a_json_string_and_how_long_it_took(simulation: Simulation) -> None:
    data = _finished(simulation, aspect_ratio="16:9", resolution="1K", nsfw_checker=False, hook=_HOOK)
    [url] = json.loads(data["resultJson"])["resultUrls"]
    assert simulation.result(url).content.startswith(b"\xff\xd8\xff")
    assert "resultUrls" not in data
    assert json.loads(data["param"]) == {
        "model": _TEXT,
        "callBackUrl": _HOOK,
        "input": {
            "prompt": "a quiet harbour",
            "aspect_ratio": "16:9",
            "resolution": "1K",
            "nsfw_checker": False,
        },
    }
    assert (data["failCode"], data["failMsg"]) == ("", "")
    assert data["completeTime"] - data["createTime"] == data["costTime"]
    assert 15_000 <= data["costTime"] <= 40_000


def test_references_are_really_fetched_and_edited(simulation: Simulation) -> None:
    simulation.put_on_the_web(_REF, photo("teal"))
    simulation.put_on_the_web("https://images.test/b.png", photo("maroon"))
    data = _finished(simulation, _EDIT, input_urls=[_REF, "https://images.test/b.png"])
    assert data["state"] == "success"
    assert [str(request.url) for request in simulation.fetched] == [_REF, "https://images.test/b.png"]
    assert all("authorization" not in request.headers for request in simulation.fetched)


def test_a_reference_that_is_gone_fails_the_task_and_costs_nothing(simulation: Simulation) -> None:
    simulation.put_on_the_web(_REF, b"", status=403)
    data = _finished(simulation, _EDIT, input_urls=[_REF])
    assert (data["state"], data["failCode"], data["failMsg"]) == ("fail", "500", "Failed to fetch image: HTTP 403")
    assert simulation.accounts(_KEY)["charged_micro_usd"] == 0


def test_the_filter_stops_a_marked_prompt_only_where_it_is_on(simulation: Simulation) -> None:
    on = _finished(simulation, prompt="an nsfw-test", nsfw_checker=True)
    off = _finished(simulation, prompt="an nsfw-test", nsfw_checker=False)
    unsaid = _finished(simulation, prompt="an nsfw-test")
    assert (on["state"], on["failCode"], on["failMsg"]) == ("fail", "400", "Content policy violation")
    assert (off["state"], unsaid["state"]) == ("success", "success")


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        ("gpt-image-2", {}, "model name you specified"),
        ("gpt-image-2-beta", {}, "model name you specified"),
        (_TEXT, {"prompt": ""}, "prompt"),
        (_TEXT, {"prompt": "x" * 20_001}, "prompt"),
        (_TEXT, {"aspect_ratio": "7:5"}, "aspect_ratio is not within the range"),
        (_TEXT, {"resolution": "1k"}, "resolution is not within the range"),
        (_TEXT, {"nsfw_checker": "no"}, "nsfw_checker"),
        (_TEXT, {"input_urls": [_REF]}, "input_urls"),
        (_TEXT, {"image_url": _REF}, "image_url"),
        (_TEXT, {"hook": "ftp://hooks.test"}, "callBackUrl"),
        (_EDIT, {}, "input_urls"),
        (_EDIT, {"input_urls": []}, "input_urls"),
        (_EDIT, {"input_urls": _REF}, "input_urls"),
        (_EDIT, {"input_urls": [_REF] * 17}, "at most 16"),
        (_EDIT, {"input_urls": ["data:image/png;base64,AAAA"]}, "file type not supported"),
        (_EDIT, {"input_urls": ["http://127.0.0.1/a.png"]}, "private/reserved IP addresses not allowed"),
    ],
)
def test_a_bad_order_is_refused_with_200_and_422_and_nothing_is_held(
    simulation: Simulation, model: str, inputs: dict[str, Any], words: str
) -> None:
    answer = _create(simulation, model, **inputs)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, 422, None)
    assert words in answer.json()["msg"]
    assert simulation.accounts(_KEY)["created_tasks"] == 0


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"model": "gpt-image-2-text-to-image"}', b'{"input": {"prompt": "x"}}'])
def test_a_body_of_another_shape_is_refused(simulation: Simulation, raw: bytes) -> None:
    assert simulation.call("POST", "/jobs/createTask", key=_KEY, base=_BASE, content=raw).json()["code"] == 422


@pytest.mark.parametrize("key", [None, "short", "sk_wrongwrongwrongwrong", f"{_KEY} {_KEY}"])
def test_a_bad_key_is_refused(simulation: Simulation, key: str | None) -> None:
    for method, path in (("POST", "/jobs/createTask"), ("GET", "/jobs/recordInfo")):
        answer = simulation.call(method, path, key=key, base=_BASE)
        assert (answer.status_code, answer.json()["code"]) == (200, 401)


def test_a_task_belongs_to_its_key_and_its_provider(simulation: Simulation) -> None:
    ours, theirs = _task(simulation, key=KEY), simulation.task()
    assert _ask(simulation, ours, key=KEY)["code"] == 200
    assert _ask(simulation, ours)["msg"] == "recordInfo is null"
    assert _ask(simulation, theirs, key=KEY) == {"code": 422, "msg": "recordInfo is null", "data": None}
    assert simulation.ask(ours).status_code == 404


def test_a_question_without_a_task_is_refused(simulation: Simulation) -> None:
    assert simulation.call("GET", "/jobs/recordInfo", key=_KEY, base=_BASE).json()["code"] == 400


def test_the_tasks_of_both_providers_are_listed_together(simulation: Simulation) -> None:
    theirs, ours = simulation.task(), _task(simulation)
    assert simulation.accounts(_KEY)["frozen_usd"] == 0.03
    simulation.advance(60)
    [entry] = simulation.accounts(_KEY)["tasks"]
    assert (entry["task_id"], entry["provider"], entry["charged_micro_usd"]) == (ours, "kie", 30_000)
    [entry] = simulation.accounts(KEY)["tasks"]
    assert (entry["task_id"], entry["provider"], entry["charged_micro_usd"]) == (theirs, "apimodels", 60_000)
    tasks = simulation.control("GET", "/tasks")["tasks"]
    assert [(task["task_id"], task["provider"]) for task in tasks] == [(theirs, "apimodels"), (ours, "kie")]
    [task] = simulation.control("GET", "/tasks", params={"provider": "kie"})["tasks"]
    assert (task["task_id"], task["state"], task["model"]) == (ours, "completed", _TEXT)


def test_both_models_have_their_price_and_the_settings_may_change_it(simulation: Simulation) -> None:
    simulation.put_on_the_web(_REF, photo())
    _task(simulation, _EDIT, input_urls=[_REF])
    assert simulation.accounts(_KEY)["frozen_usd"] == 0.03
    simulation.control("POST", "/settings", json={"prices_usd": {_EDIT: 0.05}})
    _task(simulation, _EDIT, input_urls=[_REF])
    assert simulation.accounts(_KEY)["frozen_usd"] == 0.08


def test_a_create_is_refused_once_the_balance_is_frozen(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"balances_usd": {_KEY: 0.05}})
    assert [_create(simulation).json()["code"] for _ in range(2)] == [200, 402]
    assert _create(simulation, key=_OTHER_KEY).json()["code"] == 200


def test_each_provider_counts_the_creates_of_a_key_for_itself() -> None:
    simulation = Simulation(rate_limit=True, rate_limit_creates=2)
    try:
        assert [_create(simulation, key=KEY).json()["code"] for _ in range(3)] == [200, 200, 429]
        assert simulation.create(key=KEY).status_code == 200
        simulation.control("POST", "/settings", json={"rate_limit_retry_after": True})
        assert _create(simulation, key=KEY).headers["retry-after"] == "10"
        simulation.control("POST", "/reset")
        assert _create(simulation, key=KEY).json()["code"] == 200
    finally:
        simulation.close()


def test_everything_of_one_provider_can_be_down_while_the_other_works(simulation: Simulation) -> None:
    theirs, ours = simulation.task(), _task(simulation)
    for on in ("create", "query"):
        simulation.fault(on, "5xx", provider="apimodels")
    assert simulation.create().status_code == 503
    assert simulation.ask(theirs).status_code == 503
    assert _finished(simulation)["state"] == "success"
    assert _record(simulation, ours)["state"] == "success"


def test_a_rule_without_a_provider_applies_to_both(simulation: Simulation) -> None:
    simulation.fault("create", "5xx")
    assert (simulation.create().status_code, _create(simulation).status_code) == (503, 503)
    [rule] = simulation.control("GET", "/faults")["faults"]
    assert (rule["provider"], rule["used"]) == (None, 2)


@pytest.mark.parametrize(("on", "kind"), [("task", "fail"), ("result", "404"), ("callback", "never")])
def test_a_rule_for_one_provider_leaves_the_others_tasks_alone(simulation: Simulation, on: str, kind: str) -> None:
    simulation.fault(on, kind, provider="kie")
    data = simulation.finished(callback_url=_HOOK)
    assert simulation.result(data["resultUrls"][0]).status_code == 200
    assert simulation.receiver.states == ["completed"]
    for url in json.loads(_finished(simulation, hook=_HOOK)["resultJson"] or "{}").get("resultUrls", []):
        assert simulation.result(url).status_code == (404 if on == "result" else 200)
    [rule] = simulation.control("GET", "/faults")["faults"]
    assert rule["used"] == 1


@pytest.mark.parametrize(
    ("kind", "parameters", "status", "code"),
    [
        ("401", {}, 200, 401),
        ("402", {}, 200, 402),
        ("429", {}, 200, 429),
        ("429", {"status": 429}, 429, 429),
        ("refused_content_policy", {}, 200, 422),
        ("5xx", {}, 503, 503),
        ("5xx", {"status": 500}, 500, 500),
        ("200_with_code", {"code": 433}, 200, 433),
        ("200_with_code", {"code": 455}, 200, 455),
        ("200_with_code", {"code": 505}, 200, 505),
    ],
)
def test_an_error_at_create_makes_no_task(
    simulation: Simulation, kind: str, parameters: dict[str, Any], status: int, code: int
) -> None:
    simulation.fault("create", kind, provider="kie", **parameters)
    answer = _create(simulation)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert simulation.accounts(_KEY)["created_tasks"] == 0


@pytest.mark.parametrize(("kind", "made"), [("cut_before", 0), ("cut_after", 1), ("cut_after_with_header", 1)])
def test_a_cut_create_made_a_task_or_not(simulation: Simulation, kind: str, made: int) -> None:
    simulation.fault("create", kind)
    with pytest.raises(ConnectionCut):
        _create(simulation)
    assert simulation.accounts(_KEY)["created_tasks"] == made


def test_an_error_that_hides_a_task_names_it_nowhere(simulation: Simulation) -> None:
    simulation.fault("create", "error_with_header", shape="html")
    answer = _create(simulation)
    assert answer.status_code == 502
    assert "kie.ai" in answer.text
    [entry] = simulation.accounts(_KEY)["tasks"]
    assert entry["task_id"] not in f"{answer.text} {answer.headers}"


def test_a_task_that_is_done_at_once_does_not_say_so(simulation: Simulation) -> None:
    simulation.fault("create", "completed_at_once")
    answer = _create(simulation).json()["data"]
    assert list(answer) == ["taskId"]
    assert _record(simulation, answer["taskId"])["state"] == "success"


def test_a_task_can_be_in_an_unknown_state(simulation: Simulation) -> None:
    simulation.fault("task", "unknown_state", state="warming_up")
    assert _record(simulation, _task(simulation))["state"] == "warming_up"


def test_a_finished_task_can_have_no_result(simulation: Simulation) -> None:
    simulation.fault("task", "empty_result")
    assert json.loads(_finished(simulation)["resultJson"]) == {"resultUrls": []}


def test_a_finished_task_can_name_its_result_later(simulation: Simulation) -> None:
    simulation.fault("task", "empty_result", seconds=100)
    task_id = _task(simulation)
    simulation.advance(60)
    assert json.loads(_record(simulation, task_id)["resultJson"]) == {"resultUrls": []}
    simulation.advance(100)
    assert json.loads(_record(simulation, task_id)["resultJson"])["resultUrls"]


def test_one_callback_arrives_in_kies_shape(simulation: Simulation) -> None:
    task_id = _task(simulation, hook=_HOOK)
    simulation.advance(60)
    simulation.advance(3600)
    [body] = simulation.receiver.bodies
    data = body["data"]
    assert simulation.receiver.urls == [_HOOK]
    assert (body["code"], data["taskId"], data["model"], data["state"]) == (200, task_id, _TEXT, "success")
    assert json.loads(data["param"])["callBackUrl"] == _HOOK
    assert data["resultJson"] == _record(simulation, task_id)["resultJson"]
    assert "resultUrls" not in data


def test_a_failed_task_is_called_back_with_its_reason(simulation: Simulation) -> None:
    simulation.fault("task", "fail", failMsg="Busy", failCode="500", retryable=True)
    _task(simulation, hook=_HOOK)
    simulation.advance(60)
    [body] = simulation.receiver.bodies
    data = body["data"]
    assert (body["code"], data["state"], data["failCode"], data["failMsg"]) == (501, "fail", "500", "Busy")
    assert "retryable" not in data


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("duplicate", ["success", "success"]),
        ("stale", ["success", "generating"]),
        ("forged", ["success", "success"]),
        ("never", []),
    ],
)
def test_callbacks_mislead_here_too(simulation: Simulation, kind: str, states: list[str]) -> None:
    simulation.fault("callback", kind)
    _task(simulation, hook=_HOOK)
    for seconds in (5, 60, 2):
        simulation.advance(seconds)
    assert simulation.receiver.states == states


def test_an_early_callback_arrives_before_the_create_is_answered(simulation: Simulation) -> None:
    simulation.fault("callback", "early")
    task_id = _task(simulation, hook=_HOOK)
    assert [body["data"]["taskId"] for body in simulation.receiver.bodies] == [task_id]
