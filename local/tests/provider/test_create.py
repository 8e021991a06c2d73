"""Create calls: accepted and refused requests, and the responses."""

from __future__ import annotations

from typing import Any

import pytest

from local.tests.provider.simulation import KEY, OTHER_KEY, Simulation


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_both_bases_make_a_pending_task(simulation: Simulation, base: str) -> None:
    answer = simulation.create(base=base)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["code"], body["msg"], body["data"]["state"]) == (200, "success", "pending")
    assert answer.headers["x-apimodels-task-id"] == body["data"]["taskId"]


def test_the_same_body_twice_makes_two_tasks_and_holds_the_price_twice(simulation: Simulation) -> None:
    assert simulation.task() != simulation.task()
    assert simulation.accounts()["frozen_micro_usd"] == 120_000


@pytest.mark.parametrize(
    "key",
    [None, "sk_short", "pk_test0123456789abcdef", "sk_wrongwrongwrongwrong", "sk_test0123456789-bcdef"],
)
def test_a_bad_key_is_refused(simulation: Simulation, key: str | None) -> None:
    answer = simulation.create(key=key)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "msg"}
    assert answer.json()["code"] == 401


def test_an_unknown_model_is_refused_with_the_list_of_models(simulation: Simulation) -> None:
    answer = simulation.create(model="dall-e-9")
    assert answer.status_code == 400
    assert answer.json()["msg"] == "Invalid model: dall-e-9. Supported models: gpt-image-2-beta, gpt-image-2"


_RATIOS = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
_REF = "https://images.test/a.png"


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": None},
        {"prompt": "   "},
        {"prompt": "x" * 20_001},
        {"aspect_ratio": "7:5"},
        {"nsfw_checker": "yes"},
        {"resolution": "2K"},
        {"size": "1024x1024"},
        {"n": 1},
        {"image_url": _REF, "image_urls": [_REF]},
        {"image_urls": []},
        {"image_urls": [_REF] * 17},
        {"image_url": "data:image/png;base64,AAAA"},
        {"model": "gpt-image-2", "image_urls": [_REF] * 11},
        {"model": "gpt-image-2", "resolution": "8K"},
        {"callback_url": "ftp://hooks.test"},
    ],
)
def test_a_bad_parameter_is_refused_and_nothing_is_held(simulation: Simulation, body: dict[str, Any]) -> None:
    answer = simulation.create(**body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert simulation.accounts()["created_tasks"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x" * 20_000},
        {"image_urls": [_REF] * 16},
        {"model": "gpt-image-2", "image_urls": [_REF] * 10, "resolution": "2K"},
        *({"aspect_ratio": ratio} for ratio in _RATIOS),
    ],
)
def test_what_the_product_page_promises_is_accepted(simulation: Simulation, body: dict[str, Any]) -> None:
    assert simulation.create(**body).status_code == 200


@pytest.mark.parametrize("raw", [b"{", b"[]", b"", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(simulation: Simulation, raw: bytes) -> None:
    assert simulation.call("POST", "/images/generations", content=raw).status_code == 400


def test_a_create_is_refused_once_the_balance_is_frozen_for_other_tasks(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"balances_usd": {KEY: 0.12}})
    simulation.task()
    simulation.task()
    answer = simulation.create()
    assert (answer.status_code, answer.json()["code"]) == (402, 402)
    assert simulation.create(key=OTHER_KEY).status_code == 200


def test_the_twenty_first_create_in_ten_seconds_is_refused_for_its_key_alone() -> None:
    simulation = Simulation(rate_limit=True)
    try:
        answers = [simulation.create().status_code for _ in range(21)]
        assert answers == [200] * 20 + [429]
        assert simulation.create(key=OTHER_KEY).status_code == 200
        assert "retry-after" not in simulation.create().headers
        simulation.control("POST", "/settings", json={"rate_limit_retry_after": True})
        assert simulation.create().headers["retry-after"] == "10"
        simulation.clock.now += 10
        assert simulation.create().status_code == 200
    finally:
        simulation.close()


def test_prices_follow_the_settings_and_the_model(simulation: Simulation) -> None:
    simulation.task(model="gpt-image-2")
    assert simulation.accounts()["frozen_usd"] == 0.05
    simulation.control("POST", "/settings", json={"prices_usd": {"gpt-image-2": 0.025}})
    simulation.task(model="gpt-image-2")
    assert simulation.accounts()["frozen_usd"] == 0.075


def test_models_are_listed_without_an_envelope(simulation: Simulation) -> None:
    answer = simulation.call("GET", "/models", base="/api/v1").json()
    assert {each["id"] for each in answer["data"]} == {"gpt-image-2-beta", "gpt-image-2"}
    assert set(answer) == {"data"}


@pytest.mark.parametrize("path", ["/models", "/balance"])
def test_side_endpoints_need_a_key_too(simulation: Simulation, path: str) -> None:
    assert simulation.call("GET", path, key=None).status_code == 401
