"""A record that can't be read is left out of lists, named, logged without its contents, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.kernel.ids import derived_id
from heliograph.platform import aws
from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore
from heliograph.webhooks.endpoint import Endpoint

from tests.examples import after, published_examples, queued_job, succeeded_job
from tests.integration.api_calls import call
from tests.integration.conftest import items
from tests.integration.webhooks.webhook_calls import DELIVERIES, ENDPOINTS, announce, ask, register

SECRET = "what nobody may read in a log"
ADMIN = Caller(tenant="default", scopes=frozenset(Scope))
JOBS, KEYS = "/v1/jobs", "/v1/keys"
DAMAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "of another release": lambda document: {"S": json.dumps({**json.loads(document["S"]), "tenant": [SECRET]})},
    "cut off": lambda document: {"S": document["S"][:-1] + SECRET},
    "empty": lambda _: {"S": ""},
    "another type": lambda _: {"N": "7"},
    "no object": lambda _: {"S": json.dumps([SECRET])},
    "deep": lambda _: {"S": "[" * 100_000},
    "gone": lambda _: None,
}
every_damage = pytest.mark.parametrize("damage", DAMAGES)


@pytest.fixture(autouse=True)
def local(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    del environment
    monkeypatch.setenv("LOCAL_WEBHOOKS", "on")


def damaged(table: str, record_id: str, damage: str, attribute: str = "document") -> None:
    """The record of that id is changed as somebody else's release, or an accident, may leave it."""
    [item] = [item for item in items(table) if record_id in [value.get("S") for value in item.values()]]
    changed = DAMAGES[damage](item[attribute])
    kept = {name: value for name, value in item.items() if name != attribute}
    aws.dynamodb().put_item(TableName=table, Item=kept | ({attribute: changed} if changed else {}))


def registered(name: str) -> str:
    """The id of another endpoint."""
    store = DynamoDBEndpointStore(aws.dynamodb(), "endpoints")
    endpoint_id = derived_id("ep", name)
    made = Endpoint(endpoint_id=endpoint_id, tenant="default", url="http://127.0.0.1:9/", created_at=after(0))
    return store.save(made).endpoint_id


def counted(capsys: pytest.CaptureFixture[str]) -> list[list[float]]:
    lines = (json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    return [line["UnreadableRecords"] for line in lines if "UnreadableRecords" in line]


def told(listing: tuple[int, Any, Any]) -> tuple[int, list[str], list[str]]:
    status, document, _ = listing
    assert status == 200, document
    return status, [entry["id"] for entry in document["data"]], document["unreadable"]


@every_damage
def test_a_recovery_leaves_out_the_delivery_that_cannot_be_read_and_names_it(
    damage: str, capsys: pytest.CaptureFixture[str], logged: Callable[[], str]
) -> None:
    endpoint = register()["id"]
    ask("PATCH", f"{ENDPOINTS}/{endpoint}", {"status": "paused"})
    events = [published_examples()["image.job.succeeded"], published_examples()["image.job.failed"]]
    assert announce(*events) == []
    ask("PATCH", f"{ENDPOINTS}/{endpoint}", {"status": "enabled"})
    broken = items("deliveries")[0]["delivery_id"]["S"]
    damaged("deliveries", broken, damage)

    status, document, _ = ask("POST", f"{ENDPOINTS}/{endpoint}/recover", {"since": after(0).isoformat()})

    assert (status, document["recovered"], document["unreadable"]) == (202, 1, [broken])
    assert counted(capsys) == [[1.0]]
    assert broken in logged()
    assert SECRET not in logged()


@every_damage
def test_a_list_of_jobs_leaves_out_the_one_that_cannot_be_read_and_names_it(
    jobs: DynamoDBJobStore, damage: str, capsys: pytest.CaptureFixture[str], logged: Callable[[], str]
) -> None:
    ids = [derived_id("job", f"{number}") for number in range(3)]
    for number, job_id in enumerate(ids):
        assert jobs.add(queued_job(job_id, created_at=after(number)))
    damaged("jobs", ids[1], damage)

    assert told(call("read_jobs", "GET", JOBS)) == (200, [ids[2], ids[0]], [ids[1]])
    assert counted(capsys) == [[1.0]]
    assert ids[1] in logged()
    assert SECRET not in logged()


def test_pages_of_jobs_go_on_past_records_that_cannot_be_read(jobs: DynamoDBJobStore) -> None:
    ids = [derived_id("job", f"{number}") for number in range(6)]
    for number, job_id in enumerate(ids):
        assert jobs.add(queued_job(job_id, created_at=after(number)))
    for number in (5, 4, 2):
        damaged("jobs", ids[number], "cut off")

    readable: list[str] = []
    unreadable: list[str] = []
    query = {"limit": ["2"]}
    for _ in range(3):
        _, document, _ = call("read_jobs", "GET", JOBS, query=query)
        readable += [entry["id"] for entry in document["data"]]
        unreadable += document["unreadable"]
        query = {"limit": ["2"], "cursor": [document["next_cursor"]]}

    assert document["next_cursor"] is None
    assert readable == [ids[3], ids[1], ids[0]]
    assert unreadable == [ids[5], ids[4], ids[2]]


def test_a_record_that_can_be_read_and_makes_no_sense_is_left_out_too(jobs: DynamoDBJobStore) -> None:
    job = succeeded_job()
    assert jobs.add(job)
    [item] = items("jobs")
    document = json.loads(item["document"]["S"])
    document["settlements"] = [
        {
            "attempt_id": "att_of_nobody",
            "at": document["finished_at"],
            "charged": "yes",
            "message": "x",
            "price_microusd": 0,
        }
    ]
    item["document"] = {"S": json.dumps(document)}
    aws.dynamodb().put_item(TableName="jobs", Item=item)

    assert told(call("read_jobs", "GET", JOBS)) == (200, [], [job.job_id])


def test_a_single_job_that_cannot_be_read_is_a_problem_that_no_repeat_fixes(
    jobs: DynamoDBJobStore, logged: Callable[[], str]
) -> None:
    job = queued_job()
    assert jobs.add(job)
    damaged("jobs", job.job_id, "of another release")

    for path in (f"{JOBS}/{job.job_id}", f"{JOBS}/{job.job_id}/events"):
        status, problem, _ = call("read_jobs", "GET", path)
        assert (status, problem["code"], problem["retryable"], problem["charged"]) == (500, "internal", False, "no")
        assert "can't be read" in problem["detail"]
    assert SECRET not in logged()


@every_damage
def test_a_list_of_deliveries_leaves_out_the_one_that_cannot_be_read_and_names_it(
    jobs: DynamoDBJobStore, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register()
    assert announce(*published_examples().values()) == []
    ids = told(ask("GET", DELIVERIES))[1]
    damaged("deliveries", ids[1], damage, "summary")

    _, readable, unreadable = told(ask("GET", DELIVERIES))
    assert (readable, unreadable) == ([ids[0], *ids[2:]], [ids[1]])
    assert counted(capsys) == [[1.0]]


def test_a_delivery_that_cannot_be_read_is_a_problem_and_shows_nothing(
    jobs: DynamoDBJobStore, logged: Callable[[], str]
) -> None:
    register()
    announce(published_examples()["image.job.succeeded"])
    [delivery_id] = told(ask("GET", DELIVERIES))[1]
    damaged("deliveries", delivery_id, "of another release")

    status, problem, _ = ask("GET", f"{DELIVERIES}/{delivery_id}")
    assert (status, problem["retryable"]) == (500, False)
    assert SECRET not in logged()


@every_damage
def test_a_list_of_endpoints_leaves_out_the_one_that_cannot_be_read_and_names_it(
    jobs: DynamoDBJobStore, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = registered("one"), registered("other")
    damaged("endpoints", one, damage)

    assert told(ask("GET", ENDPOINTS)) == (200, [other], [one])
    assert counted(capsys) == [[1.0]]


def test_an_endpoint_that_cannot_be_read_keeps_no_other_waiting_and_the_event_is_kept(jobs: DynamoDBJobStore) -> None:
    one, other = registered("one"), registered("other")
    damaged("endpoints", one, "cut off")

    assert announce(published_examples()["image.job.succeeded"]) == ["m0"]
    assert [item["endpoint_id"]["S"] for item in items("deliveries")] == [other]


def test_a_job_that_cannot_be_read_keeps_no_endpoint_waiting_and_the_event_is_kept(jobs: DynamoDBJobStore) -> None:
    job = succeeded_job()
    assert jobs.add(job)
    damaged("jobs", job.job_id, "cut off")
    endpoint = register()["id"]

    assert announce(published_examples()["image.job.succeeded"]) == ["m0"]
    assert [item["endpoint_id"]["S"] for item in items("deliveries")] == [endpoint]


# (An item without a document is none of a key: it counts calls.)
@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage != "gone"])
def test_a_list_of_keys_leaves_out_the_one_that_cannot_be_read_and_names_it(
    jobs: DynamoDBJobStore, damage: str, capsys: pytest.CaptureFixture[str], logged: Callable[[], str]
) -> None:
    ids = [call("manage_keys", "POST", KEYS, {"name": f"no. {number}"}, caller=ADMIN)[1]["id"] for number in range(2)]
    damaged("keys", ids[0], damage)

    assert told(call("manage_keys", "GET", KEYS, caller=ADMIN)) == (200, [ids[1]], [ids[0]])
    assert counted(capsys) == [[1.0]]
    assert SECRET not in logged()
