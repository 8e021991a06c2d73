"""Webhooks from outside: registered, signed, repeated, paused, replayed, rotated; and to nobody but their owner."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from tests.contract.cfn_template import ROOT
from tests.contract.documents import blocks
from tests.e2e.receiver import Message, Receiver, receiving
from tests.e2e.world import World, wait_until
from tests.environment import without_make
from tests.node.programs import Node

ENDPOINTS = "/v1/webhook-endpoints"
SHELL = ["bash", "-euo", "pipefail", "-c"]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Whom webhooks are sent to."""
    with receiving() as receiver:
        yield receiver


@dataclass(frozen=True)
class Shop:
    """A tenant of its own, and its receivers."""

    world: World
    key: str
    receiver: Receiver

    def call(self, method: str, path: str, expected: int = 200, **arguments: Any) -> Any:
        answer = self.world.call(method, path, key=self.key, **arguments)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def register(self, name: str, **request: Any) -> Any:
        return self.call("POST", ENDPOINTS, 201, json={"url": self.receiver.url(name), **request})

    def messages(self, name: str, number: int = 1) -> list[Message]:
        return wait_until(
            lambda: got if len(got := self.receiver.got(name)) >= number else None,
            seconds=60,
            what=f"{number} messages at {name}",
        )

    def delivery(self, status: str, **query: str) -> Any:
        def look() -> Any:
            return next(iter(self.call("GET", "/v1/deliveries", params={"status": status, **query})["data"]), None)

        return wait_until(look, seconds=60, what=f"a delivery that is {status}")


@pytest.fixture
def shop(world: World, receiver: Receiver, mark: str) -> Shop:
    """New."""
    made = world.call("POST", "/v1/keys", json={"name": "a shop", "tenant": f"shop-{mark}"}).json()
    return Shop(world, made["key"], receiver)


def test_the_end_of_a_job_is_told_to_whom_it_concerns(shop: Shop, node: Node, mark: str) -> None:
    everything, failures, paused = (f"{name}-{mark}" for name in ("everything", "failures", "paused"))
    told = shop.register(everything)
    shop.register(failures, events=["image.job.failed"])
    resting = shop.register(paused)["id"]
    shop.call("PATCH", f"{ENDPOINTS}/{resting}", json={"status": "paused"})
    shop.receiver.answer(everything, 503)

    job_id = shop.call("POST", "/v1/jobs", 202, json={"prompt": mark, "webhook_url": shop.receiver.url(mark)})["id"]

    # The one that failed first gets it again: the same message, under the same id, signed anew.
    first, again = shop.messages(everything, 2)
    message = again.verified(told["secret"])
    assert (message["type"], message["data"]["job_id"]) == ("image.job.succeeded", job_id)
    assert (again.id, again.body) == (first.id, first.body)
    assert json.loads(again.body)["event_id"] == again.id
    verified = node.run(
        "verify.mjs", json.dumps({"secret": told["secret"], "headers": again.headers, "body": again.body})
    )
    assert json.loads(verified.stdout) == message
    # The URL that was given with the job, signed with the secret of such URLs.
    [alone] = shop.messages(mark)
    secret = shop.call("GET", f"{ENDPOINTS}/jobs/secret")["secret"]
    assert alone.verified(secret) == message
    with pytest.raises(WebhookVerificationError):
        alone.verified(told["secret"])
    # The one that is paused, once it is not.
    skipped = shop.delivery("skipped", endpoint_id=resting)
    assert shop.call("POST", f"/v1/deliveries/{skipped['id']}/replay", 409)["code"] == "endpoint_not_enabled"
    shop.call("PATCH", f"{ENDPOINTS}/{resting}", json={"status": "enabled"})
    shop.call("POST", f"/v1/deliveries/{skipped['id']}/replay", 202)
    [late] = shop.messages(paused)
    assert (late.id, late.body) == (again.id, again.body)
    # And the one that wants to hear of failures only, of nothing.
    assert shop.receiver.got(failures) == []

    delivery = shop.call(
        "GET", f"/v1/deliveries/{shop.delivery('delivered', job_id=job_id, endpoint_id=told['id'])['id']}"
    )
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [503, 200]
    assert delivery["payload"] == again.body
    listed = shop.call("GET", "/v1/deliveries", params={"job_id": job_id})["data"]
    assert {found["endpoint_id"] for found in listed} == {told["id"], resting, None}
    first_slice = shop.call("GET", "/v1/deliveries", params={"limit": 2})
    rest = shop.call("GET", "/v1/deliveries", params={"limit": 2, "cursor": first_slice["next_cursor"]})
    assert [*first_slice["data"], *rest["data"]] == listed


def test_a_rotated_secret_signs_beside_the_new_one(shop: Shop, mark: str) -> None:
    made = shop.register(mark, events=["image.job.failed"])
    rotated = shop.call("POST", f"{ENDPOINTS}/{made['id']}/rotate-secret")

    sent = shop.call("POST", f"{ENDPOINTS}/{made['id']}/test", 202)

    [message] = shop.messages(mark)
    assert message.verified(made["secret"]) == message.verified(rotated["secret"])
    assert message.verified(rotated["secret"])["type"] == "webhook.test"
    assert message.id == sent["event_id"]
    assert shop.call("GET", f"{ENDPOINTS}/{made['id']}/secret") == rotated


def test_who_is_gone_is_sent_nothing_more_and_the_bus_and_the_others_are_told(shop: Shop, mark: str) -> None:
    gone, others = f"gone-{mark}", f"others-{mark}"
    leaving = shop.register(gone)["id"]
    staying = shop.register(others, events=["webhook.endpoint.disabled"])
    shop.receiver.answer(gone, 410)

    shop.call("POST", f"{ENDPOINTS}/{leaving}/test", 202)

    [told] = shop.messages(others)
    data = told.verified(staying["secret"])["data"]
    assert (data["endpoint_id"], data["reason"]) == (leaving, "gone")
    [event] = shop.world.events(lambda event: event["detail"]["data"].get("endpoint_id") == leaving)
    assert event["detail-type"] == "webhook.endpoint.disabled"
    assert event["detail"]["event_id"] == told.id
    endpoint = shop.call("GET", f"{ENDPOINTS}/{leaving}")
    assert (endpoint["status"], endpoint["reason"]) == ("disabled", "gone")
    shop.call("POST", f"{ENDPOINTS}/{leaving}/test", 409)
    assert len(shop.receiver.got(gone)) == 1


def test_nobody_else_sees_or_touches_an_endpoint_or_a_delivery(shop: Shop, world: World, mark: str) -> None:
    endpoint = shop.register(mark)["id"]
    delivery = shop.call("POST", f"{ENDPOINTS}/{endpoint}/test", 202)["id"]
    calls = [
        *(("GET", f"{ENDPOINTS}/{endpoint}{what}") for what in ("", "/secret")),
        *(("POST", f"{ENDPOINTS}/{endpoint}/{what}") for what in ("rotate-secret", "test")),
        ("PATCH", f"{ENDPOINTS}/{endpoint}"),
        ("DELETE", f"{ENDPOINTS}/{endpoint}"),
        ("GET", f"/v1/deliveries/{delivery}"),
        ("POST", f"/v1/deliveries/{delivery}/replay"),
    ]
    recovery = world.call("POST", f"{ENDPOINTS}/{endpoint}/recover", json={"since": datetime.now(UTC).isoformat()})
    assert (recovery.status_code, recovery.json()["code"]) == (404, "not_found")

    # Not even the deployment's own key, which is another tenant's.
    answers = [world.call(method, path, json={}) for method, path in calls]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * len(calls)
    assert shop.call("DELETE", f"{ENDPOINTS}/{endpoint}")["id"] == endpoint
    assert shop.call("GET", ENDPOINTS)["data"] == []


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "https://10.0.0.1/", "https://localhost/", "https://a:b@hooks.example.com/"]
)
def test_a_url_that_can_never_be_right_is_refused_at_once(shop: Shop, url: str) -> None:
    refused = shop.call("POST", ENDPOINTS, 422, json={"url": url})
    job = shop.call("POST", "/v1/jobs", 422, json={"prompt": "x", "webhook_url": url})

    assert [fault["pointer"] for fault in refused["errors"]] == ["/url"]
    assert [fault["pointer"] for fault in job["errors"]] == ["/webhook_url"]


def test_an_execution_that_ends_early_leaves_no_delivery_waiting(shop: Shop, mark: str) -> None:
    endpoint = shop.register(mark)["id"]
    shop.receiver.answer(mark, 500, 500)
    # The second wait is of five minutes, at the workflow's scale.
    delivery = shop.call("POST", f"{ENDPOINTS}/{endpoint}/test", 202)["id"]
    shop.messages(mark, 2)
    machine = shop.world.stack.client("stepfunctions")
    arn = shop.world.stack.outputs["DeliveryMachineArn"].replace(":stateMachine:", ":execution:")

    machine.stop_execution(executionArn=f"{arn}:{delivery}-1")

    assert shop.delivery("failed", endpoint_id=endpoint)["id"] == delivery
    shop.call("POST", f"/v1/deliveries/{delivery}/replay", 202)
    assert len({message.id for message in shop.messages(mark, 3)}) == 1


def test_after_an_outage_everything_that_failed_is_sent_again_once_each(shop: Shop, mark: str) -> None:
    endpoint = shop.register(mark, events=["image.job.succeeded"])
    shop.receiver.answer(mark, *[503] * 100)
    jobs = [shop.call("POST", "/v1/jobs", 202, json={"prompt": f"{mark} {number}"}) for number in range(3)]

    def deliveries(status: str) -> list[Any]:
        query = {"endpoint_id": endpoint["id"], "status": status}
        found: list[Any] = shop.call("GET", "/v1/deliveries", params=query)["data"]
        return found

    def all_three(status: str) -> list[Any]:
        return wait_until(
            lambda: found if len(found := deliveries(status)) == 3 else None,
            seconds=60,
            what=f"three deliveries that are {status}",
        )

    # Nobody waits for three days of attempts: their executions are ended early.
    machine = shop.world.stack.client("stepfunctions")
    arn = shop.world.stack.outputs["DeliveryMachineArn"].replace(":stateMachine:", ":execution:")
    shop.messages(mark, 3)
    for delivery in all_three("pending"):
        machine.stop_execution(executionArn=f"{arn}:{delivery['id']}-1")
    missed = {delivery["event_id"] for delivery in all_three("failed")}
    shop.receiver.is_well(mark)
    before = len(shop.receiver.got(mark))

    [program] = blocks(ROOT / "docs" / "webhooks.md", "recover")
    variables = {
        "API": shop.world.stack.api_url,
        "KEY": shop.key,
        "ENDPOINT_ID": endpoint["id"],
        "SINCE": jobs[0]["created_at"],
    }
    finished = subprocess.run(
        [*SHELL, program],
        env={**without_make(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    told = json.loads(finished.stdout)
    assert (told["recovered"], told["has_more"], told["unreadable"]) == (3, False, [])
    assert {delivery["event_id"] for delivery in all_three("delivered")} == missed
    again = shop.receiver.got(mark)[before:]
    assert Counter(message.id for message in again) == dict.fromkeys(missed, 1)
    assert {message.verified(endpoint["secret"])["data"]["job_id"] for message in again} == {job["id"] for job in jobs}
    since = {"since": jobs[0]["created_at"]}
    assert shop.call("POST", f"{ENDPOINTS}/{endpoint['id']}/recover", 429, json=since)["code"] == "rate_limited"
