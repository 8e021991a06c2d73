"""The kie adapter against the simulated kie.ai. Both were written from the same facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.providers.adapters.kie import Kie
from heliograph.providers.protocol import (
    Accepted,
    Completed,
    NoAnswer,
    Refused,
    StillRunning,
    TaskFailed,
    TaskRequest,
    TaskState,
    Uncertain,
)

from local.tests.provider.simulation import API, Simulation, photo

_KEY = "00112233445566778899aabbccddeeff"
_HOOK = "http://127.0.0.1:9999/callbacks/job_1/unguessable"
_REF = "https://images.test/a.png"
_REQUEST = TaskRequest("gpt-image-2", "a red shoe", AspectRatio.LANDSCAPE_16_9, False, (), _HOOK)


def _provider(simulation: Simulation) -> Kie:
    def forward(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix("/kie/api/v1")
        answer = simulation.call(request.method, path, key=_KEY, base="/kie/api/v1", content=request.content)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return Kie(f"{API}/kie/api/v1", lambda: _KEY, transport=httpx.MockTransport(forward))


def _ended(simulation: Simulation, request: TaskRequest = _REQUEST) -> TaskState:
    provider = _provider(simulation)
    accepted = provider.create(request)
    assert isinstance(accepted, Accepted), accepted
    assert provider.poll(accepted.task_id) == StillRunning()
    simulation.advance(60)
    return provider.poll(accepted.task_id)


def test_a_prompt_becomes_an_image_and_a_callback(simulation: Simulation) -> None:
    state = _ended(simulation)
    assert isinstance(state, Completed)
    assert simulation.result(state.result_urls[0]).status_code == 200
    assert simulation.receiver.urls == [_HOOK]


def test_a_reference_is_edited(simulation: Simulation) -> None:
    simulation.put_on_the_web(_REF, photo())
    request = replace(_REQUEST, nsfw_checker=True, reference_urls=(_REF,), callback_url=None)
    assert isinstance(_ended(simulation, request), Completed)
    assert len(simulation.fetched) == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ({"failMsg": "Content policy violation"}, FailureCode.CONTENT_BLOCKED),
        ({"failMsg": "Failed to fetch image: HTTP 403"}, FailureCode.INVALID_INPUT),
        ({}, FailureCode.PROVIDER_FAILED),
    ],
)
def test_a_failed_task_is_told_by_its_reason(
    simulation: Simulation, failure: dict[str, str], code: FailureCode
) -> None:
    simulation.fault("task", "fail", **failure)
    state = _ended(simulation)
    assert isinstance(state, TaskFailed)
    assert (state.failure.code, state.failure.charged) == (code, Charged.NO)


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("402", {}, Refused),
        ("429", {"retry_after": 7}, Refused),
        ("refused_content_policy", {}, Refused),
        ("200_with_code", {"code": 433}, Refused),
        ("200_with_code", {"code": 455}, Refused),
        ("200_with_code", {"code": 505}, Refused),
        ("200_with_code", {"code": 500}, Uncertain),
        ("200_with_code", {"code": 500, "task_made": True}, Uncertain),
        ("5xx", {}, Uncertain),
        ("html_524", {"task_made": True}, Uncertain),
    ],
)
def test_a_create_call_that_went_wrong_is_certain_or_not(
    simulation: Simulation, kind: str, parameters: dict[str, Any], expected: type
) -> None:
    simulation.fault("create", kind, **parameters)
    assert isinstance(_provider(simulation).create(_REQUEST), expected)


def test_an_order_that_kie_does_not_take_is_refused(simulation: Simulation) -> None:
    outcome = _provider(simulation).create(replace(_REQUEST, reference_urls=(_REF,) * 17))
    assert isinstance(outcome, Refused)
    assert outcome.failure.code is FailureCode.INVALID_INPUT


def test_a_task_that_it_does_not_know_says_nothing(simulation: Simulation) -> None:
    assert _provider(simulation).poll("task_0") == NoAnswer("the provider said 422: recordInfo is null")
