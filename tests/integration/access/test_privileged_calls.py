"""Keys, secrets and where events go: who may change them is looked up at every call, whatever the gateway remembers.

The callers here are what the gateway remembers of a key for a minute, also when it was revoked in the meantime.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
from heliograph.access.keys import ApiKey, Caller, Scope, key_id_of, read_key_request
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.manage_webhook_endpoints import ManageWebhookEndpointsSettings
from heliograph.runtime.wiring import webhooks

from tests.examples import after
from tests.integration.api_calls import ADMIN
from tests.integration.api_calls import call_as_admin as call
from tests.integration.conftest import items
from tests.integration.lambdas import Handler, started

KEY = "hg_" + "r" * 43
URL = {"url": "https://shop.example.com/hooks"}


def record(key: str = KEY, **asked: Any) -> ApiKey:
    """A key of every scope, written down."""
    made = ApiKey.of(key, read_key_request({"name": "a key", "scopes": list(Scope), **asked}), after(0))
    DynamoDBKeyStore(aws.dynamodb(), "keys").save(made)
    return made


def revoke(key: ApiKey) -> None:
    DynamoDBKeyStore(aws.dynamodb(), "keys").save(key.model_copy(update={"revoked_at": after(1)}))


def forget(key: ApiKey) -> None:
    aws.dynamodb().delete_item(TableName="keys", Key={"id": {"S": key.key_id}})


def registered() -> str:
    """The id of an endpoint of an earlier call."""
    service = webhooks.endpoint_service(read_settings(ManageWebhookEndpointsSettings))
    return service.register(URL, tenant="default", request_id="an earlier call")[0].endpoint_id


PRIVILEGED = [
    ("manage_keys", "POST", "/v1/keys", {"name": "x", "scopes": ["admin"]}),
    ("manage_keys", "GET", "/v1/keys", None),
    ("manage_keys", "DELETE", f"/v1/keys/{key_id_of('another')}", None),
    ("manage_webhook_secrets", "GET", "/v1/webhook-endpoints/{endpoint_id}/secret", None),
    ("manage_webhook_secrets", "GET", "/v1/webhook-endpoints/jobs/secret", None),
    ("manage_webhook_secrets", "POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret", None),
    ("manage_webhook_endpoints", "POST", "/v1/webhook-endpoints", {"url": "https://thief.example.com/hooks"}),
    (
        "manage_webhook_endpoints",
        "PATCH",
        "/v1/webhook-endpoints/{endpoint_id}",
        {"url": "https://thief.example.com/hooks"},
    ),
    ("manage_webhook_endpoints", "DELETE", "/v1/webhook-endpoints/{endpoint_id}", None),
    ("read_models_and_usage", "GET", "/v1/usage", None),
    ("read_models_and_usage", "GET", "/v1/me", None),
]
everything_privileged = pytest.mark.parametrize(
    ("function", "method", "path", "body"), PRIVILEGED, ids=[f"{method} {path}" for _, method, path, _ in PRIVILEGED]
)


@everything_privileged
@pytest.mark.parametrize("ended", [revoke, forget])
def test_a_revoked_key_does_nothing_privileged_from_that_moment_on(
    environment: dict[str, str], function: str, method: str, path: str, body: Any, ended: Callable[[ApiKey], None]
) -> None:
    key = record()
    handler, path = started(function), path.format(endpoint_id=registered())
    ended(key)
    before = [items(table) for table in ("keys", "endpoints")]
    status, problem, headers = call(handler, method, path, body, caller=key.caller())
    assert (status, problem["code"], problem["charged"]) == (401, "unauthenticated", "no")
    assert "revoked" in problem["detail"]
    assert headers["Content-Type"] == ["application/problem+json"]
    assert "whsec_" not in json.dumps(problem)
    assert [items(table) for table in ("keys", "endpoints")] == before


@everything_privileged
@pytest.mark.parametrize("own", [True, False], ids=["the deployment's own", "a made key"])
def test_a_valid_key_is_served(
    environment: dict[str, str], function: str, method: str, path: str, body: Any, own: bool
) -> None:
    record("another")
    caller = Caller(tenant="default", scopes=frozenset(Scope)) if own else record().caller()
    status, _, _ = call(started(function), method, path.format(endpoint_id=registered()), body, caller=caller)
    assert status in {200, 201}


@everything_privileged
def test_where_the_key_can_not_be_looked_up_nothing_privileged_is_done(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    def away(*_: object) -> None:
        raise StorageFailed("key_x: InternalServerError")

    key, handler = record(), started(function)
    path = path.format(endpoint_id=registered())
    before = [items(table) for table in ("keys", "endpoints")]
    monkeypatch.setattr(DynamoDBKeyStore, "get", away)
    status, problem, _ = call(handler, method, path, body, caller=key.caller())
    assert (status, problem["code"]) == (503, "unavailable")
    assert [items(table) for table in ("keys", "endpoints")] == before


def test_a_key_that_lost_a_scope_has_lost_it_at_once(environment: dict[str, str]) -> None:
    before = record().caller()
    record(scopes=["jobs:read"])
    assert call(started("manage_keys"), "GET", "/v1/keys", caller=before)[:2][0] == 403


def test_a_key_that_is_revoked_between_its_look_up_and_its_write_makes_none(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = record()
    found = DynamoDBKeyStore.get

    def and_then_revoked(store: DynamoDBKeyStore, key_id: str) -> ApiKey | None:
        read = found(store, key_id)
        revoke(key)
        return read

    monkeypatch.setattr(DynamoDBKeyStore, "get", and_then_revoked)
    status, problem, _ = call(started("manage_keys"), "POST", "/v1/keys", {"name": "x"}, caller=key.caller())
    assert (status, problem["code"]) == (401, "unauthenticated")
    assert [item["id"]["S"] for item in items("keys")] == [key.key_id]


# ---- Who made a key, and what a stolen key made


def make(handler: Handler, caller: Caller, **asked: Any) -> dict[str, Any]:
    status, made, _ = call(handler, "POST", "/v1/keys", {"name": "a key", **asked}, caller=caller)
    assert status == 201, made
    found: dict[str, Any] = made
    return found


def test_who_made_a_key_is_told(environment: dict[str, str]) -> None:
    handler, admin = started("manage_keys"), record()
    made = make(handler, admin.caller())
    listed = {key["id"]: key["made_by"] for key in call(handler, "GET", "/v1/keys")[1]["data"]}
    assert made["made_by"] == admin.key_id
    # Nobody noted it of one that an earlier release made.
    assert listed == {made["id"]: admin.key_id, admin.key_id: None}


def test_what_a_stolen_key_made_is_revoked_with_it(environment: dict[str, str]) -> None:
    handler, thief = started("manage_keys"), record()
    child = make(handler, thief.caller(), scopes=["admin"])
    child_record = DynamoDBKeyStore(aws.dynamodb(), "keys").get(child["id"])
    assert child_record
    grandchild, other = make(handler, child_record.caller()), make(handler, ADMIN)
    event_path = f"/v1/keys/{thief.key_id}"
    status, revoked, _ = call(handler, "DELETE", event_path, query={"made": "revoke"})
    assert status == 200
    assert revoked["id"] == thief.key_id
    assert {key["id"] for key in revoked["made"]} == {child["id"], grandchild["id"]}
    assert all(key["revoked_at"] for key in (revoked, *revoked["made"]))
    valid = [key["id"] for key in call(handler, "GET", "/v1/keys")[1]["data"] if not key["revoked_at"]]
    assert valid == [other["id"]]


@pytest.mark.parametrize("query", [None, {"made": "keep"}])
def test_what_a_key_made_stays_unless_that_is_asked_for(
    environment: dict[str, str], query: dict[str, str] | None
) -> None:
    handler, admin = started("manage_keys"), record()
    made = make(handler, admin.caller())
    status, revoked, _ = call(handler, "DELETE", f"/v1/keys/{admin.key_id}", query=query)
    assert (status, "made" in revoked) == (200, False)
    [valid] = [key["id"] for key in call(handler, "GET", "/v1/keys")[1]["data"] if not key["revoked_at"]]
    assert valid == made["id"]


@pytest.mark.parametrize("query", [{"made": "all"}, {"made": ""}, {"with_made": "revoke"}])
def test_a_revocation_that_nobody_can_read_revokes_nothing(environment: dict[str, str], query: dict[str, str]) -> None:
    key = record()
    status, problem, _ = call(started("manage_keys"), "DELETE", f"/v1/keys/{key.key_id}", query=query)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert problem["errors"][0]["pointer"] == f"?{next(iter(query))}"
    assert DynamoDBKeyStore(aws.dynamodb(), "keys").get(key.key_id) == key


# ---- An admin of one tenant


def test_an_admin_of_a_tenant_manages_the_keys_of_that_tenant_only(environment: dict[str, str]) -> None:
    handler = started("manage_keys")
    theirs, operators = record("theirs", tenant="sec-a"), record("operators")
    admin = record(tenant="sec-b")
    made = make(handler, admin.caller())
    assert made["tenant"] == "sec-b"
    listed = call(handler, "GET", "/v1/keys", caller=admin.caller())[1]["data"]
    assert {key["id"] for key in listed} == {admin.key_id, made["id"]}
    for other in (theirs, operators):
        status, problem, _ = call(handler, "DELETE", f"/v1/keys/{other.key_id}", caller=admin.caller())
        assert (status, problem["code"]) == (404, "not_found")
        assert DynamoDBKeyStore(aws.dynamodb(), "keys").get(other.key_id) == other


@pytest.mark.parametrize("tenant", ["sec-a", "default"])
def test_an_admin_of_a_tenant_makes_no_key_of_another(environment: dict[str, str], tenant: str) -> None:
    admin = record(tenant="sec-b")
    body = {"name": "x", "tenant": tenant, "scopes": ["jobs:read"]}
    status, problem, _ = call(started("manage_keys"), "POST", "/v1/keys", body, caller=admin.caller())
    assert (status, problem["code"]) == (422, "invalid_input")
    assert problem["errors"] == [
        {"pointer": "/tenant", "detail": "an admin key of the tenant sec-b makes keys of that tenant only"}
    ]
    assert len(items("keys")) == 1
