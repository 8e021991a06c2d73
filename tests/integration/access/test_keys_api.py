"""API keys through their functions: created, shown once, authenticated, counted, revoked; and never logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses
from heliograph.access.keys import ApiKey, Caller, Scope, digest_of, has_key_format, key_id_of, read_key_request
from heliograph.api.call import ApiCall, authorizer_context
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.job import KeyBudget
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.examples import JOB_ID, after, queued_job
from tests.fakes.clock import SteppingClock
from tests.integration.api_calls import ADMIN, REQUEST_ID
from tests.integration.api_calls import call_as_admin as call
from tests.integration.conftest import API_KEY, items
from tests.integration.lambdas import Handler, started
from tests.triggers import read

STRANGER = "hg_" + "s" * 43
KEY_ID = key_id_of(STRANGER)
JOBS_ONLY = Caller(tenant="default", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))


@pytest.fixture
def noon(clock: SteppingClock) -> SteppingClock:
    """It is noon, and a while later: in the middle of a minute, to which limits are counted."""
    clock.go_to(datetime(2026, 11, 22, 12, 0, 18, tzinfo=UTC))
    return clock


def make(handler: Handler, **asked: Any) -> dict[str, Any]:
    status, made, _ = call(handler, "POST", "/v1/keys", {"name": "a key", **asked})
    assert status == 201, made
    found: dict[str, Any] = made
    return found


def authorized(handler: Handler, key: str) -> tuple[str, dict[str, str]]:
    """Whether the key is let in, and what the functions behind are told of it."""
    answer = handler(read("authorize.json") | {"authorizationToken": f"Bearer {key}"})
    [statement] = answer["policyDocument"]["Statement"]
    return statement["Effect"], answer.get("context", {})


def key_record(key_id: str) -> dict[str, Any]:
    [item] = [item for item in items("keys") if item["id"]["S"] == key_id]
    found: dict[str, Any] = json.loads(item["document"]["S"])
    return found


def away(*_: object, **__: object) -> Any:
    raise StorageFailed("key_x: InternalServerError")


# ---- Making, listing, revoking


def test_a_key_is_made_and_shown(environment: dict[str, str], noon: SteppingClock) -> None:
    asked = {
        "name": "the shop's server",
        "tenant": "shop",
        "scopes": ["jobs:write", "jobs:read"],
        "daily_budget_usd": "5",
        "requests_per_minute": 60,
    }
    status, made, headers = call(started("manage_keys"), "POST", "/v1/keys", asked)
    assert status == 201
    key = made.pop("key")
    assert has_key_format(key)
    assert made == asked | {
        "id": key_id_of(key),
        "scopes": ["jobs:read", "jobs:write"],
        "created_at": "2026-11-22T12:00:18Z",
        "made_by": "deployment",
        "expires_at": None,
        "last_used_at": None,
        "revoked_at": None,
    }
    assert headers["Cache-Control"] == ["no-store"]
    assert key_record(made["id"])["digest"] == digest_of(key)


def test_no_key_is_made_twice(environment: dict[str, str]) -> None:
    handler = started("manage_keys")
    assert len({make(handler)["key"] for _ in range(20)}) == 20


def test_keys_are_listed_newest_first_and_never_shown_again(environment: dict[str, str], noon: SteppingClock) -> None:
    handler = started("manage_keys")
    made = []
    for hour in (12, 14, 13):
        noon.go_to(datetime(2026, 11, 22, hour, tzinfo=UTC))
        made.append(make(handler))
    status, listed, headers = call(handler, "GET", "/v1/keys")
    assert (status, headers["Cache-Control"]) == (200, ["no-store"])
    assert [key["id"] for key in listed["data"]] == [made[which]["id"] for which in (1, 2, 0)]
    for key in made:
        shown = key.pop("key")
        assert key in listed["data"]
        assert shown not in json.dumps(listed)
        assert digest_of(shown) not in json.dumps(listed)


def test_where_there_are_no_keys_none_is_listed(environment: dict[str, str]) -> None:
    assert call(started("manage_keys"), "GET", "/v1/keys")[:2] == (
        200,
        {"data": [], "next_cursor": None, "has_more": False, "unreadable": []},
    )


def test_a_key_is_revoked_once(environment: dict[str, str], noon: SteppingClock) -> None:
    handler = started("manage_keys")
    made = make(handler)
    noon.go_to(datetime(2026, 11, 22, 13, tzinfo=UTC))
    status, revoked, _ = call(handler, "DELETE", f"/v1/keys/{made['id']}")
    shown = made.pop("key")
    assert (status, revoked) == (200, made | {"revoked_at": "2026-11-22T13:00:00Z"})
    assert shown not in json.dumps(revoked)
    noon.go_to(datetime(2026, 11, 22, 14, tzinfo=UTC))
    assert call(handler, "DELETE", f"/v1/keys/{made['id']}")[:2] == (200, revoked)
    assert call(handler, "GET", "/v1/keys")[1]["data"] == [revoked]


@pytest.mark.parametrize("key_id", [KEY_ID, "key_x", "x", KEY_ID.upper(), KEY_ID + "a", STRANGER, "..", "calls%23x"])
def test_a_key_that_is_not_there_can_not_be_revoked(environment: dict[str, str], key_id: str) -> None:
    status, problem, _ = call(started("manage_keys"), "DELETE", f"/v1/keys/{key_id}")
    assert (status, problem["code"]) == (404, "not_found")
    assert items("keys") == []


@pytest.mark.parametrize("body", [None, "", "{", "[]", '"x"', "NaN", '{"name": "\\ud800"}', "[" * 100_000])
def test_a_body_that_is_no_document_is_told_so(environment: dict[str, str], body: str | None) -> None:
    status, problem, _ = call(started("manage_keys"), "POST", "/v1/keys", body)
    assert (status, problem["code"]) == (400, "malformed_body")
    assert items("keys") == []


def test_every_fault_of_a_request_for_a_key_is_told_at_once(environment: dict[str, str]) -> None:
    wrong = {
        "name": "",
        "tenant": "a_b",
        "scopes": ["x"],
        "daily_budget_usd": "0",
        "requests_per_minute": True,
        "key": STRANGER,
    }
    status, problem, _ = call(started("manage_keys"), "POST", "/v1/keys", wrong)
    assert (status, problem["code"], problem["charged"]) == (422, "invalid_input", "no")
    places = {f"/{field}" for field in wrong} - {"/scopes"} | {"/scopes/0"}
    assert {fault["pointer"] for fault in problem["errors"]} == places
    assert STRANGER not in json.dumps(problem)
    assert items("keys") == []


@pytest.mark.parametrize(
    ("method", "path", "attribute"),
    [("POST", "/v1/keys", "save"), ("GET", "/v1/keys", "scan"), ("DELETE", f"/v1/keys/{KEY_ID}", "get")],
)
def test_a_table_that_is_away_is_a_problem_that_says_to_repeat(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, method: str, path: str, attribute: str
) -> None:
    monkeypatch.setattr(DynamoDBKeyStore, attribute, away)
    status, problem, headers = call(started("manage_keys"), method, path, {"name": "x"})
    assert (status, problem["code"], problem["charged"]) == (503, "unavailable", "no")
    assert headers["Retry-After"] == ["5"]


# ---- The authorizer


def test_a_made_key_is_let_in_and_the_functions_are_told_whose_it_is(environment: dict[str, str]) -> None:
    asked = {"tenant": "shop", "scopes": ["admin", "jobs:read"], "daily_budget_usd": "0.25", "requests_per_minute": 60}
    made = make(started("manage_keys"), **asked)
    answer = started("authorize_call")(read("authorize.json") | {"authorizationToken": f"Bearer {made['key']}"})
    assert answer["principalId"] == "shop"
    assert answer["context"] == {
        "tenant": "shop",
        "scopes": "admin jobs:read",
        "key_id": made["id"],
        "daily_budget_microusd": "250000",
        "requests_per_minute": "60",
    }
    [statement] = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == ["arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/live/*/*"]


def test_of_a_key_without_limits_none_is_told(environment: dict[str, str]) -> None:
    made = make(started("manage_keys"))
    told = {"tenant": "default", "scopes": "jobs:read jobs:write", "key_id": made["id"]}
    assert authorized(started("authorize_call"), made["key"]) == ("Allow", told)


@pytest.mark.parametrize(
    "caller",
    [
        ADMIN,
        JOBS_ONLY,
        Caller(
            tenant="a.b-c9",
            scopes=frozenset(Scope),
            key_id=KEY_ID,
            daily_budget_microusd=999_999_999_000_000,
            requests_per_minute=60_000,
        ),
    ],
)
def test_what_the_gateway_is_told_of_a_caller_is_what_the_functions_read(caller: Caller) -> None:
    told = authorizer_context(caller)
    assert all(isinstance(value, str) for value in told.values())
    event = APIGatewayProxyEvent({"requestContext": {"authorizer": told}})
    assert ApiCall.caller_of(event) == caller


def test_a_revoked_key_is_let_in_no_more(environment: dict[str, str]) -> None:
    keys, authorize = started("manage_keys"), started("authorize_call")
    made = make(keys, tenant="shop")
    assert authorized(authorize, made["key"])[0] == "Allow"
    call(keys, "DELETE", f"/v1/keys/{made['id']}")
    assert authorized(authorize, made["key"]) == ("Deny", {})


@pytest.mark.parametrize("key", [STRANGER, STRANGER + "s", "hg_", KEY_ID, digest_of(STRANGER)])
def test_a_stranger_is_not_let_in_and_nothing_is_told_of_others(environment: dict[str, str], key: str) -> None:
    answer = started("authorize_call")(read("authorize.json") | {"authorizationToken": f"Bearer {key}"})
    assert (answer["policyDocument"]["Statement"][0]["Effect"], answer["principalId"]) == ("Deny", "nobody")
    assert "context" not in answer


def test_a_table_that_is_away_lets_nobody_in_but_says_nothing_of_the_key(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DynamoDBKeyStore, "get", away)
    authorize = started("authorize_call")
    with pytest.raises(StorageFailed):
        authorized(authorize, STRANGER)
    # The deployment's own key needs no table.
    assert authorized(authorize, API_KEY)[0] == "Allow"


def test_when_a_key_was_used_is_listed(environment: dict[str, str], noon: SteppingClock) -> None:
    keys = started("manage_keys")
    made = make(keys)
    authorized(started("authorize_call"), made["key"])
    [listed] = call(keys, "GET", "/v1/keys")[1]["data"]
    assert listed["last_used_at"] == "2026-11-22T12:00:18Z"


# ---- Behind it

ENDPOINTS = [
    ("submit_job", "POST", "/v1/jobs", Scope.JOBS_WRITE, 202),
    ("read_jobs", "GET", f"/v1/jobs/{JOB_ID}", Scope.JOBS_READ, 200),
    ("manage_keys", "POST", "/v1/keys", Scope.ADMIN, 201),
    ("manage_keys", "GET", "/v1/keys", Scope.ADMIN, 200),
    ("manage_keys", "DELETE", f"/v1/keys/{KEY_ID}", Scope.ADMIN, 404),
]
BODY = {"/v1/jobs": {"prompt": "x"}, "/v1/keys": {"name": "x"}}


@pytest.mark.parametrize(("function", "method", "path", "scope", "status"), ENDPOINTS)
def test_a_key_without_the_scope_is_refused_and_nothing_happens(
    jobs: DynamoDBJobStore, function: str, method: str, path: str, scope: Scope, status: int
) -> None:
    jobs.add(queued_job())
    before = [items(table) for table in ("jobs", "ledger", "keys")]
    others = Caller(tenant="default", scopes=frozenset(set(Scope) - {scope, Scope.ADMIN}))
    answered, problem, headers = call(started(function), method, path, BODY.get(path), caller=others)
    assert (answered, problem["code"], problem["title"]) == (403, "insufficient_scope", "Forbidden")
    assert problem["detail"] == f"this key lacks the scope {scope}"
    assert (problem["retryable"], problem["charged"]) == (False, "no")
    assert headers["Content-Type"] == ["application/problem+json"]
    assert [items(table) for table in ("jobs", "ledger", "keys")] == before


@pytest.mark.parametrize("with_scope", ["its own", "admin"])
@pytest.mark.parametrize(("function", "method", "path", "scope", "status"), ENDPOINTS)
def test_a_key_with_the_scope_is_served_and_so_is_an_admins(
    jobs: DynamoDBJobStore, function: str, method: str, path: str, scope: Scope, status: int, with_scope: str
) -> None:
    jobs.add(queued_job())
    caller = Caller(tenant="default", scopes=frozenset({scope if with_scope == "its own" else Scope.ADMIN}))
    answered, document, headers = call(started(function), method, path, BODY.get(path), caller=caller)
    assert answered == status, document
    assert headers["X-Request-Id"] == [REQUEST_ID]
    # Of a key without a limit there is none to tell.
    assert not {"RateLimit", "RateLimit-Policy"} & set(headers)


@pytest.mark.parametrize(
    ("function", "method", "path", "body", "status"),
    [
        ("read_jobs", "GET", "/v1/jobs/job_x", None, 404),
        ("read_jobs", "GET", "/v2/nothing", None, 404),
        ("submit_job", "POST", "/v1/jobs", "{", 400),
        ("submit_job", "POST", "/v1/jobs", {}, 422),
        ("submit_job", "POST", "/v1/jobs", {"prompt": "x" * 300_000}, 413),
        ("manage_keys", "POST", "/v1/keys", {}, 422),
    ],
)
def test_every_answer_says_which_call_it_is_for(
    jobs: DynamoDBJobStore, function: str, method: str, path: str, body: Any, status: int
) -> None:
    answered, problem, headers = call(started(function), method, path, body)
    assert (answered, headers["X-Request-Id"]) == (status, [REQUEST_ID])
    assert problem["request_id"] == REQUEST_ID


def test_a_call_that_broke_says_so_too(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(DynamoDBJobStore, "add", broken)
    status, problem, headers = call(started("submit_job"), "POST", "/v1/jobs", {"prompt": "x"})
    assert (status, headers["X-Request-Id"], "s3cret" in str(problem)) == (500, [REQUEST_ID], False)


LIMITED = "hg_" + "l" * 43


def limited(most: int, key: str = LIMITED) -> Caller:
    return Caller(tenant="default", scopes=frozenset(Scope), key_id=key_id_of(key), requests_per_minute=most)


def keep_record(key: str, **asked: Any) -> ApiKey:
    """As if the key had been made."""
    record = ApiKey.of(key, read_key_request({"name": "a key", **asked}), after(0))
    DynamoDBKeyStore(aws.dynamodb(), "keys").save(record)
    return record


@pytest.mark.parametrize(("function", "method", "path", "scope", "status"), ENDPOINTS)
def test_a_key_that_was_used_too_often_is_told_when_to_come_again(
    jobs: DynamoDBJobStore, noon: SteppingClock, function: str, method: str, path: str, scope: Scope, status: int
) -> None:
    jobs.add(queued_job())
    keep_record(LIMITED, scopes=["admin"], requests_per_minute=2)
    handler = started(function)
    answers = [call(handler, method, path, BODY.get(path), caller=limited(2)) for _ in range(2)]
    before = [items(table) for table in ("jobs", "ledger")]
    answers += [call(handler, method, path, BODY.get(path), caller=limited(2)) for _ in range(2)]
    assert [answer[0] for answer in answers] == [status, status, 429, 429]
    for (_, _, headers), left in zip(answers, (1, 0, 0, 0), strict=True):
        assert headers["RateLimit-Policy"] == ['"key";q=2;w=60']
        assert headers["RateLimit"] == [f'"key";r={left};t=42']
        assert headers["X-Request-Id"] == [REQUEST_ID]
    _, problem, headers = answers[-1]
    assert (problem["code"], problem["title"], problem["status"]) == ("rate_limited", "Too Many Requests", 429)
    assert problem["detail"] == "this key may be used 2 times a minute"
    assert (problem["retryable"], problem["charged"], problem["request_id"]) == (True, "no", REQUEST_ID)
    assert headers["Retry-After"] == ["42"]
    assert headers["Content-Type"] == ["application/problem+json"]
    # What comes too often does nothing.
    assert [items(table) for table in ("jobs", "ledger")] == before


def test_a_key_has_one_limit_for_all_that_it_does(jobs: DynamoDBJobStore, noon: SteppingClock) -> None:
    keep_record(LIMITED, scopes=["admin", "jobs:write"], requests_per_minute=2)
    submit, api, keys = started("submit_job"), started("read_jobs"), started("manage_keys")
    assert call(submit, "POST", "/v1/jobs", {"prompt": "x"}, caller=limited(2))[0] == 202
    assert call(keys, "GET", "/v1/keys", caller=limited(2))[0] == 200
    assert call(api, "GET", f"/v1/jobs/{JOB_ID}", caller=limited(2))[0] == 429
    assert call(api, "GET", f"/v1/jobs/{JOB_ID}", caller=limited(2, "another"))[0] == 404
    noon.go_to(datetime(2026, 11, 22, 12, 1, 0, tzinfo=UTC))
    assert call(api, "GET", f"/v1/jobs/{JOB_ID}", caller=limited(2))[0] == 404


@pytest.mark.parametrize(
    ("caller", "body", "status"),
    [
        (limited(9), "{", 400),
        (limited(9), {}, 422),
        (limited(9).model_copy(update={"scopes": frozenset({Scope.JOBS_READ})}), {"prompt": "x"}, 403),
    ],
)
def test_a_refused_call_counts_and_says_so(
    jobs: DynamoDBJobStore, noon: SteppingClock, caller: Caller, body: Any, status: int
) -> None:
    handler = started("submit_job")
    answers = [call(handler, "POST", "/v1/jobs", body, caller=caller) for _ in range(2)]
    assert [(answer[0], answer[2]["RateLimit"]) for answer in answers] == [
        (status, ['"key";r=8;t=42']),
        (status, ['"key";r=7;t=42']),
    ]


def test_a_count_that_is_away_shuts_nobody_out(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamoDBKeyUses, "count_call", away)
    status, _, headers = call(started("submit_job"), "POST", "/v1/jobs", {"prompt": "x"}, caller=limited(1))
    assert (status, "RateLimit" in headers) == (202, False)


def test_a_job_is_its_tenants_and_notes_the_budget_of_its_key(jobs: DynamoDBJobStore) -> None:
    caller = Caller(tenant="shop", scopes=frozenset({Scope.JOBS_WRITE}), key_id=KEY_ID, daily_budget_microusd=100_000)
    handler = started("submit_job")
    _, document, _ = call(handler, "POST", "/v1/jobs", {"prompt": "x", "output_key": "a/{name}.{ext}"}, caller=caller)
    job = jobs.get(document["id"])
    assert job
    assert (job.tenant, job.output_key_template) == ("shop", "tenants/shop/a/{name}.{ext}")
    assert job.key_budget == KeyBudget(key_id=KEY_ID, daily_microusd=100_000)
    assert KEY_ID not in json.dumps(document)
    assert {page["reserved"]["N"] for page in items("ledger") if page["account"]["S"] == KEY_ID} == {"60000"}

    status, problem, _ = call(
        handler, "POST", "/v1/jobs", {"prompt": "x"}, caller=caller, headers={"Idempotency-Key": "another"}
    )
    assert (status, problem["code"], problem["charged"]) == (402, "budget_exceeded", "no")
    assert problem["detail"].startswith(f"the budget of {KEY_ID} for 2")


# ---- Nothing of a key is in a log


def life_of_a_key() -> tuple[str, str]:
    """Made, used by everybody, mistaken, used too often and revoked; and one that nobody made, tried."""
    keys, authorize, submit, api = (
        started(name) for name in ("manage_keys", "authorize_call", "submit_job", "read_jobs")
    )
    made = make(keys, name="a s3cret name", requests_per_minute=3, scopes=["jobs:write"])
    for key in (made["key"], API_KEY, STRANGER, STRANGER[:-1]):
        authorized(authorize, key)
    caller = Caller(tenant="default", scopes=frozenset({Scope.JOBS_WRITE}), key_id=made["id"], requests_per_minute=3)
    for handler, method, path in (
        (submit, "POST", "/v1/jobs"),
        (api, "GET", "/v1/jobs/job_x"),
        (keys, "GET", "/v1/keys"),
        (submit, "POST", "/v1/jobs"),
    ):
        call(handler, method, path, BODY.get(path), caller=caller)
    call(keys, "POST", "/v1/keys", {"name": "x", "key": STRANGER})
    call(keys, "GET", "/v1/keys")
    call(keys, "DELETE", f"/v1/keys/{made['id']}")
    authorized(authorize, made["key"])
    return made["key"], made["id"]


def test_nothing_of_a_key_is_in_a_log(
    jobs: DynamoDBJobStore, logged: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    key, key_id = life_of_a_key()
    printed = capfd.readouterr()
    text = logged() + printed.out + printed.err
    for secret in (key, STRANGER, STRANGER[:-1], API_KEY):
        assert secret not in text
        assert secret.removeprefix("hg_") not in text
    for digest in (digest_of(key), digest_of(STRANGER)):
        assert digest not in text
    assert "a s3cret name" not in text
    # What is logged of a key is its id, by which an operator finds it.
    for told in ("key created", "caller allowed", "key revoked"):
        assert told in text
    assert text.count(key_id) >= 3


def test_nothing_of_a_key_is_in_a_log_where_the_table_is_away(
    jobs: DynamoDBJobStore,
    logged: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("out of memory")

    authorize = started("authorize_call")
    monkeypatch.setattr(
        "heliograph.runtime.wiring.access.secrets.token_urlsafe", lambda _: STRANGER.removeprefix("hg_")
    )
    for trouble in (away, broken):
        monkeypatch.setattr(DynamoDBKeyStore, "save", trouble)
        monkeypatch.setattr(DynamoDBKeyStore, "get", trouble)
        assert call(started("manage_keys"), "POST", "/v1/keys", {"name": "x"})[0] >= 500
        with pytest.raises((StorageFailed, RuntimeError)):
            authorized(authorize, STRANGER)
    printed = capfd.readouterr()
    text = logged() + printed.out + printed.err
    assert "call failed" in text
    assert STRANGER.removeprefix("hg_") not in text
    assert digest_of(STRANGER) not in text


def test_a_key_given_where_its_id_belongs_is_not_logged(environment: dict[str, str], logged: Callable[[], str]) -> None:
    handler = started("manage_keys")
    made = make(handler)
    assert call(handler, "DELETE", f"/v1/keys/{made['key']}")[0] == 404
    assert made["key"] not in logged()


def test_what_was_done_with_keys_is_logged(environment: dict[str, str], logged: Callable[[], str]) -> None:
    handler = started("manage_keys")
    made = make(handler)
    call(handler, "DELETE", f"/v1/keys/{made['id']}")
    lines = [line for line in logged().splitlines() if made["id"] in line]
    assert list(dict.fromkeys(line.rpartition("}")[2] for line in lines)) == ["key created", "key revoked"]
