"""The jobs API from outside: lists, cancelling, retries, timelines, waits, uploads, models and usage."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.e2e.world import World, wait_until


def tenant_key(world: World, mark: str) -> str:
    """The key of a tenant that has nothing yet."""
    made = world.call("POST", "/v1/keys", json={"name": "a test", "tenant": mark})
    assert made.status_code == 201, made.text
    key: str = made.json()["key"]
    return key


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    return answer.status_code, answer.json()["code"]


def post(world: World, key: str, **request: Any) -> str:
    answer = world.call("POST", "/v1/jobs", key=key, json=request)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def over(world: World, key: str, job_id: str) -> dict[str, Any]:
    return wait_until(
        lambda: job if (job := world.call("GET", f"/v1/jobs/{job_id}", key=key).json())["finished_at"] else None,
        seconds=60,
        what=f"the end of {job_id}",
    )


def results_of(world: World, job_id: str) -> list[str]:
    found = world.s3.list_objects_v2(Bucket=world.results).get("Contents", [])
    return [item["Key"] for item in found if job_id in item["Key"]]


def moments(world: World, job_id: str, key: str = "") -> list[str]:
    answer = world.call("GET", f"/v1/jobs/{job_id}/events", key=key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["complete"]
    found = answer.json()["data"]
    assert [moment["at"] for moment in found] == sorted(moment["at"] for moment in found)
    return [moment["kind"] for moment in found]


def test_a_tenants_jobs_are_listed_newest_first_filtered_and_in_slices(world: World, mark: str) -> None:
    world.begin_a_day()
    key = tenant_key(world, mark)
    ids = [
        post(world, key, prompt=f"{mark} {number}", tags=[mark, f"n{number % 2}"], metadata={"n": str(number)})
        for number in range(5)
    ]
    jobs = {job_id: over(world, key, job_id) for job_id in ids}

    visited: list[str] = []
    url = f"{world.stack.api_url}/v1/jobs?limit=2&tag={mark}"
    for _ in range(4):
        answer = world.http.get(url, headers={"Authorization": f"Bearer {key}"})
        visited += [job["id"] for job in answer.json()["data"]]
        assert answer.json()["has_more"] is ("next" in answer.links)
        if "next" not in answer.links:
            break
        url = urljoin(url, answer.links["next"]["url"])

    assert visited == ids[::-1]
    created_after = jobs[ids[2]]["created_at"]
    queries: dict[str, list[str]] = {
        "status=succeeded": ids[::-1],
        "status=failed": [],
        "tag=n1": [ids[3], ids[1]],
        f"created_after={created_after}&tag=n1": [ids[3]],
        "preset=nobodys": [],
    }
    for query, expected in queries.items():
        found = world.call("GET", f"/v1/jobs?{query}", key=key).json()
        assert ([job["id"] for job in found["data"]], found["has_more"]) == (expected, False), query
    first = world.call("GET", "/v1/jobs?limit=1", key=key).json()["data"][0]
    assert (first["metadata"], first["tags"]) == ({"n": "4"}, [mark, "n0"])
    assert httpx.get(first["results"][0]["url"]).status_code == 200
    refused = world.call("GET", "/v1/jobs?limit=0&cursor=x&sort=price", key=key)
    assert code_of(refused) == (422, "invalid_input")
    assert {error["pointer"] for error in refused.json()["errors"]} == {"?limit", "?cursor", "?sort"}

    usage = world.call("GET", "/v1/usage", key=key).json()
    assert [(line["tenant"], line["pictures"], line["spent_usd"]) for line in usage["data"]] == [(mark, 5, "0.30")]
    assert usage["spent_usd"] == "0.30"
    assert world.ledger(mark)["spent"] == 300_000
    others = world.call("GET", "/v1/usage?tenant=default", key=key).json()
    assert others["data"] == []


def test_a_job_that_is_canceled_before_its_call_costs_nothing(world: World, mark: str) -> None:
    key = tenant_key(world, mark)
    world.operate("pause-spending", "--reason", "a test")
    try:
        job_id = post(world, key, prompt=mark)
        canceled = world.call("POST", f"/v1/jobs/{job_id}/cancel", key=key)
        again = world.call("POST", f"/v1/jobs/{job_id}/cancel", key=key)
    finally:
        world.operate("resume-spending")

    assert canceled.status_code == 202, canceled.text
    assert urljoin(str(canceled.url), canceled.headers["location"]).endswith(f"/v1/jobs/{job_id}")
    job = canceled.json()
    assert (job["status"], job["charged"], job["price_usd"], job["notice"]) == ("canceled", "no", "0.00", None)
    assert code_of(again) == (409, "not_cancelable")
    assert world.event_of(job_id)["detail-type"] == "image.job.canceled"
    assert not world.tasks(mark)
    assert world.ledger(mark) == {"reserved": 0, "spent": 0, "unknown": 0}


def test_a_job_that_is_canceled_while_its_task_runs_is_paid_and_not_delivered(world: World, mark: str) -> None:
    key = tenant_key(world, mark)
    world.fault("task", "never_finishes", mark)
    job_id = post(world, key, prompt=mark)
    wait_until(lambda: world.tasks(mark), seconds=30, what="a running task")

    canceled = world.call("POST", f"/v1/jobs/{job_id}/cancel", key=key)
    early = world.call("POST", f"/v1/jobs/{job_id}/retry", key=key)
    world.finish(mark)
    job = over(world, key, job_id)
    late = world.call("POST", f"/v1/jobs/{job_id}/cancel", key=key)

    assert canceled.status_code == 202
    assert "can't be stopped" in canceled.json()["notice"]
    assert code_of(early) == (409, "not_retryable")
    assert (job["status"], job["charged"], job["results"]) == ("canceled", "yes", [])
    assert job["provider_urls"]
    assert results_of(world, job_id) == []
    event = world.event_of(job_id)
    assert (event["detail-type"], event["detail"]["data"]["charged"]) == ("image.job.canceled", "yes")
    assert code_of(late) == (409, "not_cancelable")
    told = moments(world, job_id, key)
    assert (told[-1], "cancel_requested" in told) == ("finished", True)
    assert world.ledger(mark)["spent"] == sum(task["charged_micro_usd"] for task in world.tasks(mark))


def test_a_failed_job_is_done_again_once(world: World, mark: str) -> None:
    world.fault("task", "fail", mark, times=1, failCode="CONTENT_MODERATION")
    first = world.finished(world.post(prompt=mark, tags=[mark], model="gpt-image-2")["id"])
    assert first["status"] == "failed"

    answers = [world.call("POST", f"/v1/jobs/{first['id']}/retry") for _ in range(2)]

    one, two = (answer.json() for answer in answers)
    assert [answer.status_code for answer in answers] == [202, 202]
    assert one["id"] == two["id"] != first["id"]
    assert (one["retry_of"], one["tags"], "idempotent-replayed" in answers[0].headers) == (first["id"], [mark], False)
    assert answers[1].headers["idempotent-replayed"] == "true"
    place = urljoin(str(answers[0].url), answers[0].headers["location"])
    assert place == f"{world.stack.api_url}/v1/jobs/{one['id']}"
    done = world.finished(one["id"])
    assert done["status"] == "succeeded"
    replayed = world.call("POST", f"/v1/jobs/{first['id']}/retry").json()
    assert httpx.get(replayed["results"][0]["url"]).status_code == 200
    told = moments(world, one["id"])
    assert (told[0], told[-1]) == ("submitted", "finished")
    assert {"attempt", "accepted", "waiting", "asked", "delivering"} <= set(told)
    assert "refused" in moments(world, first["id"])


def test_a_caller_may_wait_for_the_picture(world: World, mark: str) -> None:
    headers = {"Prefer": "respond-async, wait=60", "Idempotency-Key": mark}
    body = {"prompt": mark, "deadline_seconds": 60}
    answer = world.call("POST", "/v1/jobs", json=body, headers=headers)

    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=25"
    assert "retry-after" not in answer.headers
    assert httpx.get(answer.json()["results"][0]["url"]).status_code == 200
    replayed = world.call("POST", "/v1/jobs", json=body, headers={"Idempotency-Key": mark})
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (202, "true")
    assert len(replayed.json()["results"]) == 1
    other = world.call("POST", "/v1/jobs", json={**body, "tags": ["x"]}, headers={"Idempotency-Key": mark})
    assert code_of(other) == (422, "invalid_input")
    assert len(world.tasks(mark)) == 1


def test_a_wait_that_runs_out_is_answered_like_none(world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    answer = world.call("POST", "/v1/jobs", json={"prompt": mark}, headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")
    assert int(answer.headers["retry-after"]) > 0
    world.finish(mark)
    assert world.finished(answer.json()["id"])["status"] == "succeeded"


def upload_form(world: World, content: bytes, content_type: str = "image/png") -> dict[str, Any]:
    asked = {"content_type": content_type, "size_bytes": len(content)}
    answer = world.call("POST", "/v1/uploads", json=asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def send(form: dict[str, Any], content: bytes, **changed: str) -> httpx.Response:
    files = {"file": ("photo.png", content, "application/octet-stream")}
    return httpx.post(form["url"], data={**form["fields"], **changed}, files=files)


def test_a_file_that_is_sent_by_a_form_is_a_reference(world: World, mark: str, photo: bytes) -> None:
    form = upload_form(world, photo)

    early = world.call("POST", "/v1/jobs", json={"prompt": mark, "references": [form["id"]]})
    sent = send(form, photo)
    job = world.finished(world.post(prompt=mark, references=[form["id"]])["id"])

    assert code_of(early) == (422, "invalid_input")
    assert sent.status_code in (200, 201, 204), sent.text
    assert (job["status"], job["task"]) == ("succeeded", "edit")
    theirs = world.call(
        "POST",
        "/v1/jobs",
        key=tenant_key(world, mark),
        json={"prompt": mark, "references": [form["id"]]},
    )
    assert code_of(theirs) == (422, "invalid_input")


@pytest.mark.parametrize("wrong", ["size", "type", "key", "kept"])
def test_a_form_takes_only_what_it_was_made_for(world: World, photo: bytes, wrong: str) -> None:
    form = upload_form(world, photo)
    changed = {
        "size": {},
        "type": {"Content-Type": "text/html"},
        "key": {"key": "uploads/white-background/x.png"},
        "kept": {"key": f"references/{form['id']}"},
    }[wrong]

    refused = send(form, photo + b"x" if wrong == "size" else photo, **changed)

    assert refused.status_code in (400, 403), refused.text
    assert f"references/{form['id']}" not in json.dumps(
        [item["Key"] for item in world.s3.list_objects_v2(Bucket=world.uploads).get("Contents", [])]
    )


def test_models_are_told_with_their_prices_and_caps(world: World) -> None:
    models = world.call("GET", "/v1/models").json()["data"]

    assert [(model["name"], model["price_usd"], model["max_references"], model["is_default"]) for model in models] == [
        ("gpt-image-2-beta", "0.06", 16, True),
        ("gpt-image-2", "0.05", 10, False),
        ("kie-gpt-image-2", "0.03", 16, False),
    ]
    assert {model["circuit"] for model in models} <= {"closed", "half_open", "open"}


NOBODYS = "job_aaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/jobs", "jobs:write"),
        ("GET", f"/v1/jobs/{NOBODYS}/events", "jobs:write"),
        ("POST", f"/v1/jobs/{NOBODYS}/cancel", "jobs:read"),
        ("POST", f"/v1/jobs/{NOBODYS}/retry", "jobs:read"),
        ("POST", "/v1/uploads", "jobs:read"),
        ("GET", "/v1/models", "jobs:write"),
        ("GET", "/v1/usage", "jobs:write"),
    ],
)
def test_each_path_needs_its_scope(world: World, method: str, path: str, scope: str) -> None:
    made = world.call("POST", "/v1/keys", json={"name": "a test", "scopes": [scope]}).json()

    assert code_of(world.call(method, path, key=made["key"])) == (403, "insufficient_scope")
