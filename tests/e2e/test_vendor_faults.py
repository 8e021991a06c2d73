"""Whatever the vendor does, a job ends once, pays at most once, and says what happened to the money."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import World


def run(world: World, prompt: str, *, seconds: float = 60) -> dict[str, Any]:
    # Pinned, so that what is seen is one route's doing.
    job = world.finished(world.post(prompt=prompt, model="gpt-image-2-beta")["id"], seconds=seconds)
    event = world.event_of(job["id"])
    assert event["detail-type"] == f"image.job.{job['status']}"
    assert event["detail"]["data"]["price_usd"] == job["price_usd"]
    return job


@pytest.mark.parametrize(
    ("kind", "parameters", "code", "retryable"),
    [
        ("401", {}, "route_unavailable", False),
        ("402", {}, "route_unavailable", False),
        ("200_with_code", {"code": 402, "msg": "Insufficient balance"}, "route_unavailable", False),
        ("200_with_code", {"code": 400, "msg": "bad parameter"}, "invalid_input", False),
        ("refused_content_policy", {}, "content_blocked", False),
    ],
)
def test_a_certain_refusal_stops_at_once_and_is_free(
    world: World, mark: str, kind: str, parameters: dict[str, Any], code: str, retryable: bool
) -> None:
    world.fault("create", kind, mark, times=None, **parameters)

    job = run(world, mark)

    assert job["status"] == "failed"
    assert (job["failure"]["code"], job["failure"]["retryable"]) == (code, retryable)
    assert job["charged"] == "no"
    assert len(job["attempts"]) == 1
    assert not world.tasks(mark)


@pytest.mark.parametrize("kind", ["cut_after_with_header", "error_with_header"])
def test_a_task_named_only_in_a_header_is_followed_to_its_picture(world: World, mark: str, kind: str) -> None:
    world.fault("create", kind, mark, task_made=True)

    job = run(world, mark)

    assert job["status"] == "succeeded"
    assert len(world.tasks(mark)) == 1


def test_too_many_requests_is_tried_again_later_and_paid_once(world: World, mark: str) -> None:
    world.fault("create", "429", mark, times=2, retry_after=1)

    job = run(world, mark)

    assert job["status"] == "succeeded"
    assert [attempt["task_id"] is not None for attempt in job["attempts"]] == [False, False, True]
    assert job["attempts"][0]["failure"]["code"] == "rate_limited"
    assert len(world.tasks(mark)) == 1


def test_a_task_that_is_done_at_once_needs_no_question(world: World, mark: str) -> None:
    world.fault("create", "completed_at_once", mark)

    assert run(world, mark)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fail_code", "code", "retryable"),
    [
        ("CONTENT_MODERATION", "content_blocked", False),
        ("UPSTREAM_BUSY", "route_unavailable", True),
        ("TIMEOUT", "provider_timeout", True),
        ("SOMETHING_NEW", "provider_failed", True),
        (None, "provider_failed", True),
    ],
)
def test_a_failed_task_says_why_and_is_free(
    world: World, mark: str, fail_code: str | None, code: str, retryable: bool
) -> None:
    named: dict[str, Any] = {"failCode": fail_code} if fail_code else {}
    world.fault("task", "fail", mark, times=None, **named)

    job = run(world, mark)

    assert (job["failure"]["code"], job["failure"]["retryable"]) == (code, retryable)
    assert job["charged"] == "no"
    assert job["price_usd"] == "0.00"


def test_a_completed_task_that_names_its_picture_late_loses_nothing(world: World, mark: str) -> None:
    world.fault("task", "empty_result", mark, seconds=5)

    job = run(world, mark)

    assert (job["status"], job["charged"]) == ("succeeded", "yes")
    assert len(world.tasks(mark)) == 1


@pytest.mark.parametrize("kind", ["unknown_state", "result_json_only"])
def test_odd_but_honest_answers_lead_to_the_picture(world: World, mark: str, kind: str) -> None:
    world.fault("task", kind, mark)

    assert run(world, mark)["status"] == "succeeded"


@pytest.mark.parametrize("kind", ["5xx", "html", "200_with_code", "401", "cut"])
def test_a_question_without_an_answer_is_asked_again(world: World, mark: str, kind: str) -> None:
    world.fault("query", kind, mark, times=2)

    job = run(world, mark)

    assert job["status"] == "succeeded"
    assert len(world.tasks(mark)) == 1


@pytest.mark.parametrize("kind", ["truncated", "cut", "404", "5xx", "not_an_image", "half", "zero_filled"])
def test_a_download_that_fails_is_tried_again_and_the_picture_is_kept(world: World, mark: str, kind: str) -> None:
    world.fault("result", kind, mark, times=2)

    job = run(world, mark)

    assert job["status"] == "succeeded"
    [result] = job["results"]
    assert result["size_bytes"] > 10_000


@pytest.mark.parametrize(
    ("kind", "content_type"), [("wrong_content_type", "image/jpeg"), ("no_content_length", "image/jpeg")]
)
def test_the_bytes_decide_what_a_result_is(world: World, mark: str, kind: str, content_type: str) -> None:
    world.fault("result", kind, mark, times=None)

    assert run(world, mark)["results"][0]["content_type"] == content_type


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_result_in_another_format_gets_its_own_name_and_type(world: World, mark: str, kind: str) -> None:
    world.fault("task", "output_format", mark, format=kind)

    [result] = run(world, mark)["results"]

    assert result["content_type"] == f"image/{kind}"
    assert result["key"].endswith(f".{kind}")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("not_an_image", "no JPEG"),
        ("redirect_private", "302"),
        ("oversized", "larger"),
        ("half", "without its end marker"),
        ("zero_filled", "without its end marker"),
    ],
)
def test_a_paid_result_that_cannot_be_stored_is_reported_with_its_cost(
    world: World, mark: str, kind: str, says: str
) -> None:
    world.fault("result", kind, mark, times=None)

    job = run(world, mark)

    assert job["failure"]["code"] == "result_unusable"
    assert says in job["failure"]["message"]
    assert job["charged"] == "yes"
    assert job["price_usd"] == "0.06"
    assert not job["results"]
