"""Free questions to the provider: they can't make a task, and they show no key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx
import pytest

from operations.findings import Finding, Level
from operations.provider import Provider, account_findings, model_findings

KEY = "sk_madeUpForTheseTests1234"
BASE = "https://api.apimodels.app/v1"
PRICES = [Decimal("0.06"), Decimal("0.05")]
SUPPORTED = "Invalid model: x. Supported models: gpt-image-2-beta, gpt-image-2, qwen3-image"
Say = Callable[[httpx.Request], httpx.Response]


def provider(say: Say) -> Provider:
    return Provider(BASE, KEY, transport=httpx.MockTransport(say))


def answering(*answers: httpx.Response) -> tuple[Provider, list[httpx.Request]]:
    asked: list[httpx.Request] = []
    left: Iterator[httpx.Response] = iter(answers)

    def say(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(left)

    return provider(say), asked


def refused(text: str, *, status: int = 400, code: int = 400, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "msg": text}, headers=headers)


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def balance(usd: object, frozen: object = 0) -> httpx.Response:
    return httpx.Response(200, json={"code": 200, "msg": "success", "data": {"balance": usd, "frozen": frozen}})


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (balance(12.3, 0.3), Level.OK, "12.00 USD, enough for some 200 images."),
        (balance("1.2"), Level.OK, "1.20 USD, enough for some 20 images."),
        (balance(1.19), Level.WARNING, "1.19 USD, enough for some 19 images. Top it up"),
        (balance(12.3, 12.26), Level.PROBLEM, "0.04 USD pays for no image. Top it up"),
    ],
)
def test_the_balance_is_told_as_images_without_what_is_held(answer: httpx.Response, level: Level, text: str) -> None:
    asked, requests = answering(answer)

    key, left = account_findings(asked, PRICES)

    assert key.level is Level.OK
    assert (left.level, left.text.startswith(text)) == (level, True), left
    assert [(str(request.url), request.method) for request in requests] == [(f"{BASE}/balance", "GET")]
    assert requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (refused("Invalid API key", status=401, code=401), Level.PROBLEM, "the provider refuses it"),
        (refused("Invalid API key", status=200, code=401), Level.PROBLEM, "the provider refuses it"),
        (httpx.Response(401, text="no"), Level.PROBLEM, "the provider refuses it"),
        (httpx.Response(502, text="<html>"), Level.WARNING, "not checked: it said 502"),
        (httpx.Response(200, json={"code": 200, "data": {}}), Level.WARNING, "not checked: its answer has no balance"),
        (httpx.Response(200, json={"code": 200, "data": {"balance": "much"}}), Level.WARNING, "not checked"),
        (httpx.Response(200, json=[]), Level.WARNING, "not checked: its answer has no balance"),
    ],
)
def test_a_key_that_is_refused_is_a_problem_and_an_answer_that_says_nothing_is_none(
    answer: httpx.Response, level: Level, text: str
) -> None:
    finding = only(account_findings(answering(answer)[0], PRICES))

    assert (finding.level, finding.text.startswith(text)) == (level, True), finding


def test_a_provider_that_does_not_answer_is_a_warning() -> None:
    def say(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("")

    for finding in (*account_findings(provider(say), PRICES), *model_findings(provider(say), ["a"])):
        assert finding.level is Level.WARNING
        assert finding.text == "not checked: it could not be reached (ConnectTimeout)."


@pytest.mark.parametrize(
    ("models", "level", "text"),
    [
        (["gpt-image-2-beta", "gpt-image-2"], Level.OK, "gpt-image-2-beta, gpt-image-2 supported today."),
        (["gpt-image-9", "gpt-image-2"], Level.WARNING, "gpt-image-9 is not among those that are supported today."),
        (["gpt-image-9", "dall-e"], Level.PROBLEM, "none of gpt-image-9, dall-e is among those"),
    ],
)
@pytest.mark.parametrize("status", [400, 200])
def test_models_are_compared_with_those_that_the_provider_names(
    models: list[str], level: Level, text: str, status: int
) -> None:
    finding = only(model_findings(answering(refused(SUPPORTED, status=status))[0], models))

    assert (finding.level, finding.text.startswith(text)) == (level, True), finding


def test_the_question_for_models_can_not_make_a_task() -> None:
    asked, requests = answering(refused("prompt is required"), refused(SUPPORTED))

    assert only(model_findings(asked, ["gpt-image-2"])).level is Level.OK

    first, second = (json.loads(request.content) for request in requests)
    assert first.keys() == {"model"}
    assert second.keys() == {"model", "prompt"}
    for body in (first, second):
        assert body["model"].startswith("heliograph-preflight-")
        assert len(body["model"]) > 30


def test_a_provider_that_names_no_models_is_asked_twice_and_no_more() -> None:
    asked, requests = answering(refused("no"), refused("no"))

    assert only(model_findings(asked, ["gpt-image-2"])).text.startswith("not checked: it refused a model")
    assert len(requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"code": 200, "data": {"taskId": "clx", "state": "pending"}}),
        httpx.Response(201, json={}),
        httpx.Response(200, text="<html>welcome</html>"),
        refused("Bad gateway", status=502, code=502, **{"x-apimodels-task-id": "clx"}),
        httpx.Response(400, json={"code": 400, "msg": SUPPORTED, "data": {"taskId": "clx"}}),
    ],
    ids=["a task", "created", "a page", "an error with a task", "a refusal with a task"],
)
def test_the_first_sign_of_a_task_is_shouted_and_nothing_more_is_asked(answer: httpx.Response) -> None:
    asked, requests = answering(answer)

    finding = only(model_findings(asked, ["gpt-image-2"]))

    assert finding.level is Level.PROBLEM
    assert finding.text.startswith("THE PROVIDER ACCEPTED A CREATE CALL")
    assert len(requests) == 1


def test_a_key_that_the_provider_repeats_is_not_shown() -> None:
    echo = f"bad key {KEY}\x1b[2J"
    asked, _ = answering(refused(echo, status=500, code=500))
    also, _ = answering(refused(echo), refused(echo))

    for finding in (*account_findings(asked, PRICES), *model_findings(also, ["a"])):
        assert KEY not in finding.line
        assert "madeUp" not in finding.line
        assert finding.line.isprintable()
