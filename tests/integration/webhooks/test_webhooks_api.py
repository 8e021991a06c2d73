"""Webhooks from the functions' own triggers, table to socket: registered, fanned out, sent, told; and never logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.kernel.errors import WorkflowFailed
from heliograph.platform import aws
from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow
from heliograph.webhooks.bus_event import BusEvent
from heliograph.webhooks.delivery import OVERDUE_AFTER, message_body

from tests.examples import NOW, arriving, published_examples, queued_job
from tests.fakes.clock import SteppingClock
from tests.integration.api_calls import OWNER
from tests.integration.conftest import MASTER, Deployment, items
from tests.integration.lambdas import started
from tests.integration.loopback import saying
from tests.integration.webhooks.webhook_calls import DELIVERIES, ENDPOINTS, TOKEN, announce, ask, register
from tests.receiving import verified

READER, WRITER, STRANGER = (
    Caller(tenant=tenant, scopes=scopes)
    for tenant, scopes in (
        ("default", frozenset({Scope.JOBS_READ})),
        ("default", frozenset({Scope.JOBS_WRITE})),
        ("stranger", OWNER.scopes),
    )
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks"
EVENT = published_examples()["image.job.succeeded"]


@pytest.fixture(autouse=True)
def local(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers are on this very machine."""
    del environment
    monkeypatch.setenv("LOCAL_WEBHOOKS", "on")


def only_delivery() -> dict[str, Any]:
    [item] = items("deliveries")
    found: dict[str, Any] = json.loads(item["document"]["S"])
    return found


def test_an_event_becomes_a_signed_message_at_its_endpoint(logged: Callable[[], str]) -> None:
    with saying(OK) as receiver:
        endpoint = register(receiver.origin)
        assert announce(EVENT) == []
        delivery_id = only_delivery()["delivery_id"]
        outcome = started("send_webhook")({"delivery_id": delivery_id, "series": 1})

    attempt = outcome.pop("attempt")
    assert outcome == {"outcome": "done", "delivery_id": delivery_id, "series": 1, "status": "delivered"}
    assert attempt["accepted"] is True
    assert 0 <= attempt["age_seconds"] < 60
    head, _, body = receiver.requests[0].decode().partition("\r\n\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
    assert body == message_body(BusEvent.model_validate(arriving(EVENT)).received_event())
    assert headers["webhook-id"] == EVENT.event_id
    assert verified(endpoint["secret"], body, headers, at=NOW)["type"] == "image.job.succeeded"
    status, told, _ = ask("GET", f"{DELIVERIES}/{delivery_id}")
    assert (status, told["status"], told["payload"]) == (200, "delivered", body)
    assert [(tried["status_code"], tried["error"], tried["answer"]) for tried in told["attempts"]] == [
        (200, None, "thanks")
    ]
    status, listed, _ = ask("GET", DELIVERIES)
    assert [(one["id"], one["tries"], one["replays"]) for one in listed["data"]] == [(delivery_id, 1, 0)]
    assert not {"payload", "attempts"} & set(listed["data"][0])
    # Whoever reads the logs can't sign, can't knock, and learns nothing of the job's result.
    text = logged()
    assert delivery_id in text
    for secret in (endpoint["secret"], MASTER, TOKEN, headers["webhook-signature"], "r2.apimodels", '"data"'):
        assert secret not in text


def test_an_attempt_that_failed_says_when_to_come_back(logged: Callable[[], str]) -> None:
    with saying(b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n") as receiver:
        register(receiver.origin)
        announce(EVENT)
        outcome = started("send_webhook")({"delivery_id": only_delivery()["delivery_id"], "series": 1})
    assert (outcome["outcome"], outcome["tries"], outcome["reason"]) == ("again", 1, "answered 503")
    assert 60 <= outcome["wait_seconds"] <= 67
    assert TOKEN not in logged()


def test_an_execution_that_ended_early_ends_its_delivery() -> None:
    register()
    announce(EVENT)
    execution = f"{only_delivery()['delivery_id']}-1"
    outcome = started("send_webhook")(
        {"outcome": "crashed", "execution": execution, "error": "its execution is ABORTED"}
    )
    assert (outcome["outcome"], outcome["status"], only_delivery()["status"]) == ("done", "failed", "failed")


def test_a_delivery_that_was_written_down_and_never_started_is_carried_on(
    clock: SteppingClock, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()

    def away(*_: object) -> bool:
        raise WorkflowFailed("away")

    with monkeypatch.context() as patch:
        patch.setattr(StepFunctionsDeliveryWorkflow, "start", away)
        assert announce(EVENT) == ["m0"]
    assert started("sweep_webhook_deliveries")({}) == []
    clock.step(OVERDUE_AFTER.total_seconds())
    execution = f"{only_delivery()['delivery_id']}-1"

    assert started("sweep_webhook_deliveries")({}) == [f"started {execution}"]
    found = aws.step_functions().list_executions(stateMachineArn=deployment.delivery_machine_arn)["executions"]
    assert [each["name"] for each in found] == [execution]
    assert started("sweep_webhook_deliveries")({}) == []


def test_a_message_that_is_no_event_goes_back_to_the_queue_alone(logged: Callable[[], str]) -> None:
    register()
    assert announce("no event", EVENT) == ["m0"]
    assert only_delivery()["event_id"] == EVENT.event_id
    assert "no event" not in logged()


def test_the_url_of_a_job_is_notified_of_that_job(jobs: DynamoDBJobStore) -> None:
    job = queued_job()
    url = "http://127.0.0.1:9/job"
    jobs.add(job.model_copy(update={"request": job.request.model_copy(update={"webhook_url": url})}))
    announce(EVENT)
    assert (only_delivery()["url"], only_delivery()["endpoint_id"]) == (url, None)


def test_an_endpoint_is_shown_changed_and_removed() -> None:
    made = register(events=["image.job.failed"], description="the shop's")
    secret = made.pop("secret")
    one = f"{ENDPOINTS}/{made['id']}"

    assert ask("GET", one)[:2] == (200, made)
    assert ask("GET", ENDPOINTS)[1] == {"data": [made], "next_cursor": None, "has_more": False, "unreadable": []}
    assert (made["events"], made["description"], made["status"]) == (["image.job.failed"], "the shop's", "enabled")
    assert ask("PATCH", one, {"status": "paused", "events": None})[1] == {**made, "status": "paused", "events": None}
    assert ask("GET", f"{one}/secret")[1] == {"secret": secret, "version": 1, "previous_valid_until": None}
    status, rotated, headers = ask("POST", f"{one}/rotate-secret")
    assert (status, rotated["version"], headers["Cache-Control"]) == (200, 2, ["no-store"])
    assert rotated["secret"] != secret
    assert rotated["previous_valid_until"]
    assert ask("DELETE", one)[1]["id"] == made["id"]
    assert ask("GET", one)[0] == 404
    assert ask("GET", f"{ENDPOINTS}/jobs/secret")[0] == 200
    assert items("endpoints") == []


def test_a_secret_that_is_shown_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    one = f"{ENDPOINTS}/{register()['id']}"
    capsys.readouterr()
    ask("GET", f"{one}/secret")
    ask("POST", f"{one}/rotate-secret")
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert json.loads(line)["SecretsShown"] == [1]


def test_no_secret_is_in_the_table() -> None:
    made = register()
    rotated = ask("POST", f"{ENDPOINTS}/{made['id']}/rotate-secret")[1]
    text = json.dumps(items("endpoints"))
    assert made["secret"].removeprefix("whsec_") not in text
    assert rotated["secret"].removeprefix("whsec_") not in text


def test_a_test_and_a_replay_are_accepted_and_refused_where_nothing_can_be_sent() -> None:
    endpoint = register()["id"]
    status, tested, _ = ask("POST", f"{ENDPOINTS}/{endpoint}/test")
    assert (status, tested["event_type"], tested["status"]) == (202, "webhook.test", "pending")
    before = items("deliveries")
    status, problem, headers = ask("POST", f"{ENDPOINTS}/{endpoint}/test")
    assert (status, problem["code"], problem["retryable"]) == (429, "rate_limited", True)
    assert headers["Retry-After"] == ["1"]
    assert items("deliveries") == before
    status, replayed, _ = ask("POST", f"{DELIVERIES}/{tested['id']}/replay")
    assert (status, replayed["id"], replayed["replays"]) == (202, tested["id"], 1)
    ask("PATCH", f"{ENDPOINTS}/{endpoint}", {"status": "paused"})
    for path in (f"{ENDPOINTS}/{endpoint}/test", f"{DELIVERIES}/{tested['id']}/replay"):
        status, problem, _ = ask("POST", path)
        assert (status, problem["code"], problem["retryable"]) == (409, "endpoint_not_enabled", False)


def test_what_failed_since_a_time_is_sent_again(
    clock: SteppingClock, deployment: Deployment, logged: Callable[[], str]
) -> None:
    endpoint, since = register()["id"], clock.now()
    announce(EVENT)
    delivery_id = only_delivery()["delivery_id"]
    clock.step(1)
    started("send_webhook")(
        {"outcome": "crashed", "execution": f"{delivery_id}-1", "error": "its execution is ABORTED"}
    )
    assert ask("GET", f"{DELIVERIES}/{delivery_id}")[1]["ended_at"] == "2026-11-22T10:00:31Z"
    recover = f"{ENDPOINTS}/{endpoint}/recover"

    status, told, headers = ask("POST", recover, {"since": since.isoformat()})

    assert (status, headers["Cache-Control"]) == (202, ["no-store"])
    assert told == {"recovered": 1, "has_more": False, "since": "2026-11-22T10:00:30Z", "unreadable": []}
    shown = ask("GET", f"{DELIVERIES}/{delivery_id}")[1]
    assert (shown["status"], shown["replays"], shown["ended_at"]) == ("pending", 1, None)
    found = aws.step_functions().list_executions(stateMachineArn=deployment.delivery_machine_arn)["executions"]
    assert f"{delivery_id}-2" in [each["name"] for each in found]
    assert "endpoint recovered" in logged()
    before = items("deliveries")
    status, problem, headers = ask("POST", recover, {"since": since.isoformat()})
    assert (status, problem["code"], problem["retryable"]) == (429, "rate_limited", True)
    assert headers["Retry-After"] == ["60"]
    assert items("deliveries") == before
    clock.step(60)
    assert ask("POST", recover, {"since": since.isoformat()})[1]["recovered"] == 0


def test_a_recovery_that_can_not_be_says_why_and_does_nothing() -> None:
    endpoint = register()["id"]
    recover = f"{ENDPOINTS}/{endpoint}/recover"
    for body in ({}, {"since": "2026-11-22"}, {"since": 0}, {"since": "2126-01-01T00:00:00Z"}):
        status, problem, _ = ask("POST", recover, body)
        assert (status, problem["code"]) == (422, "invalid_input")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/since"]
    assert ask("POST", recover, "no JSON")[1]["code"] == "malformed_body"
    since = {"since": NOW.isoformat()}
    assert ask("POST", f"{ENDPOINTS}/jobs/recover", since)[0] == 404
    ask("PATCH", f"{ENDPOINTS}/{endpoint}", {"status": "paused"})
    status, problem, _ = ask("POST", recover, since)
    assert (status, problem["code"], problem["retryable"]) == (409, "endpoint_not_enabled", False)
    assert items("deliveries") == []


def test_every_fault_of_a_registration_is_named() -> None:
    status, problem, _ = ask("POST", ENDPOINTS, {"url": "https://10.0.0.1/", "events": ["x"], "secret": "mine"})
    assert status == 422
    assert {fault["pointer"] for fault in problem["errors"]} == {"/url", "/events/0", "/secret"}
    assert ask("POST", ENDPOINTS, "no JSON")[1]["code"] == "malformed_body"


WRITES = [
    ("POST", ENDPOINTS),
    ("PATCH", f"{ENDPOINTS}/ep_x"),
    ("DELETE", f"{ENDPOINTS}/ep_x"),
    ("GET", f"{ENDPOINTS}/ep_x/secret"),
    ("POST", f"{ENDPOINTS}/ep_x/rotate-secret"),
    ("POST", f"{ENDPOINTS}/jobs/rotate-secret"),
    ("POST", f"{ENDPOINTS}/ep_x/test"),
    ("POST", f"{ENDPOINTS}/ep_x/recover"),
    ("POST", f"{DELIVERIES}/dlv_x/replay"),
]
READS = [("GET", ENDPOINTS), ("GET", f"{ENDPOINTS}/ep_x"), ("GET", DELIVERIES), ("GET", f"{DELIVERIES}/dlv_x")]


@pytest.mark.parametrize(
    ("method", "path", "caller"),
    [
        *((method, path, caller) for method, path in WRITES for caller in (READER, WRITER)),
        *((method, path, WRITER) for method, path in READS),
    ],
)
def test_an_endpoint_sees_what_a_reader_sees_so_whoever_makes_one_must_be_one(
    method: str, path: str, caller: Caller
) -> None:
    status, problem, _ = ask(method, path, {"url": "https://x.org/"}, caller=caller)
    assert (status, problem["code"]) == (403, "insufficient_scope")


def test_what_is_another_tenants_is_not_there() -> None:
    endpoint = register()["id"]
    delivery = ask("POST", f"{ENDPOINTS}/{endpoint}/test")[1]["id"]
    for method, path in [*WRITES[1:], *READS[1::2]]:
        if "/jobs/" not in path:
            mine = path.replace("ep_x", endpoint).replace("dlv_x", delivery)
            status, problem, _ = ask(
                method, mine, {"since": NOW.isoformat()} if "recover" in path else {}, caller=STRANGER
            )
            assert (status, problem["code"]) == (404, "not_found"), path
    assert ask("GET", ENDPOINTS, caller=STRANGER)[1]["data"] == []
    assert ask("GET", DELIVERIES, caller=STRANGER)[1]["data"] == []
