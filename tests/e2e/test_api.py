"""A call of the API comes back at once with a job, and later with its picture; nobody gets in without the key."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image

from tests.e2e.world import World

SCRIPTS = (
    'A fox. Лиса. 雪の中の狐。 ثعلب في الثلج. 🦊🏔️ שועל. สุนัขจิ้งจอก. e\u0301 \u200f\u2066 "quoted" \\n <b>&amp; %41 +'
)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code
    assert {"type", "title", "detail", "retryable", "charged", "request_id"} <= document.keys()
    return document


def test_a_job_is_accepted_at_once_and_its_picture_can_be_fetched_later(world: World, mark: str) -> None:
    answer = world.call("POST", "/v1/jobs", json={"prompt": f"a fox in the snow {mark}", "aspect_ratio": "16:9"})

    assert answer.status_code == 202
    job = answer.json()
    assert job["status"] == "queued"
    assert int(answer.headers["retry-after"]) > 0
    place = urljoin(str(answer.url), answer.headers["location"])
    assert place == f"{world.stack.api_url}/v1/jobs/{job['id']}"

    done = world.finished(job["id"])

    assert done["status"] == "succeeded"
    assert done["task"] == "text-to-image"
    assert done["price_usd"] == "0.06"
    assert done["charged"] == "yes"
    assert done["timings"]["total_seconds"] > 0
    assert [attempt["model"] for attempt in done["attempts"]] == ["gpt-image-2-beta"]
    [result] = done["results"]
    assert result["key"] == f"api/{job['id']}/1.jpg"
    picture = httpx.get(result["url"])
    assert picture.status_code == 200
    width, height = Image.open(io.BytesIO(picture.content)).size
    assert abs(width / height - 16 / 9) < 0.01
    assert world.event_of(job["id"])["detail"]["data"]["results"][0]["key"] == result["key"]


@pytest.mark.parametrize("length", [1, 20_000])
def test_a_prompt_in_any_script_and_of_any_allowed_length_arrives_unchanged(
    world: World, mark: str, length: int
) -> None:
    prompt = (mark + (SCRIPTS * 200))[: max(length, len(mark) + len(SCRIPTS))]
    job = world.post(prompt=prompt)

    assert world.finished(job["id"])["request"]["prompt"] == prompt

    [task] = world.tasks(mark)
    assert task["params"]["prompt"] == prompt
    assert world.record(world.event_of(job["id"]))["request"]["prompt"] == prompt


def test_an_uploaded_object_can_be_the_reference_of_a_call(world: World, mark: str, photo: bytes) -> None:
    world.upload(f"references/{mark}", photo)

    job = world.post(prompt=mark, references=[f"s3://{world.uploads}/references/{mark}"], model="gpt-image-2")

    done = world.finished(job["id"])
    assert done["task"] == "edit"
    assert done["price_usd"] == "0.05"
    assert done["attempts"][0]["model"] == "gpt-image-2"


def test_the_same_idempotency_key_is_the_same_job_and_is_paid_once(world: World, mark: str) -> None:
    headers = {"Idempotency-Key": mark}
    first, second = (world.call("POST", "/v1/jobs", json={"prompt": mark}, headers=headers) for _ in range(2))

    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    world.finished(first.json()["id"])
    assert len(world.tasks(mark)) == 1

    other = world.call("POST", "/v1/jobs", json={"prompt": f"another {mark}"}, headers=headers)
    assert "Idempotency-Key" in problem(other, 422, "invalid_input")["errors"][0]["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/jobs"), ("GET", "/v1/jobs/job_x"), ("GET", "/v1/what")])
def test_nothing_is_reachable_without_a_key(world: World, method: str, path: str) -> None:
    answer = world.call(method, path, key=None, json={"prompt": "let me in"})

    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/what"), ("DELETE", "/v1/what"), ("GET", "/"), ("PUT", "/x/y")]
)
def test_what_is_not_there_is_404_for_those_who_may_ask(world: World, method: str, path: str) -> None:
    problem(world.call(method, path), 404, "not_found")


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic {key}", "{key}", "Bearer {key}x", "Bearer null"])
def test_nothing_is_reachable_with_a_wrong_key(world: World, mark: str, header: str) -> None:
    headers = {"Authorization": header.format(key=world.stack.api_key)}

    answer = world.call("POST", "/v1/jobs", key=None, headers=headers, json={"prompt": mark})

    problem(answer, 401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert not world.tasks(mark)


@pytest.mark.parametrize("job_id", ["job_aaaaaaaaaaaaaaaaaaaaaaaaaa", "nonsense", "job_../../x", "%00"])
def test_an_unknown_job_is_404(world: World, job_id: str) -> None:
    answer = world.call("GET", f"/v1/jobs/{job_id}")

    problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    ("request_", "pointers"),
    [
        ({}, {"/prompt"}),
        ({"prompt": " \n"}, {"/prompt"}),
        ({"prompt": "x" * 20_001}, {"/prompt"}),
        ({"prompt": 7}, {"/prompt"}),
        ({"aspect_ratio": "7:1"}, {"/aspect_ratio"}),
        ({"references": ["https://example.com/a.png"] * 17}, {"/references"}),
        ({"references": ["https://example.com/a.png"] * 17, "model": "gpt-image-2"}, {"/references"}),
        ({"references": ["not a url", "ftp://example.com/a"]}, {"/references/0", "/references/1"}),
        (
            {"references": ["https://10.0.0.1/a", "https://localhost/a", "https://[::1]/a"]},
            {"/references/0", "/references/1", "/references/2"},
        ),
        ({"nsfw_checker": "yes"}, {"/nsfw_checker"}),
        ({"model": "gpt-image-9"}, {"/model"}),
        ({"colour": "red", "n": 2}, {"/colour", "/n"}),
        ({"webhook_url": "http://example.com"}, {"/webhook_url"}),
        ({"output_key": "../../etc"}, {"/output_key"}),
        ({"metadata": {"k": 1}}, {"/metadata/k"}),
        (
            {"prompt": "", "aspect_ratio": "7:1", "references": ["x"], "colour": 1},
            {"/prompt", "/aspect_ratio", "/references/0", "/colour"},
        ),
    ],
    ids=lambda value: None if isinstance(value, set) else repr(value)[:40],
)
def test_every_fault_of_a_body_is_named_and_there_is_no_job(
    world: World, mark: str, request_: dict[str, Any], pointers: set[str]
) -> None:
    before = _jobs(world)
    document = request_ if request_ == {} or "prompt" in request_ else {"prompt": mark, **request_}

    answer = world.call("POST", "/v1/jobs", json=document)

    found = problem(answer, 422, "invalid_input")
    assert {error["pointer"] for error in found["errors"]} == pointers
    assert found["charged"] == "no"
    assert _jobs(world) == before
    assert not world.tasks(mark)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"prompt": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_400(world: World, body: bytes) -> None:
    before = _jobs(world)

    problem(world.call("POST", "/v1/jobs", content=body), 400, "malformed_body")

    assert _jobs(world) == before


def test_a_body_that_is_too_large_is_413(world: World) -> None:
    answer = world.call("POST", "/v1/jobs", json={"prompt": "x", "metadata": {"k": "x" * 300_000}})

    problem(answer, 413, "payload_too_large")


def _jobs(world: World) -> int:
    table = world.stack.outputs["JobsTableName"]
    return int(world.stack.client("dynamodb").scan(TableName=table, Select="COUNT")["Count"])
