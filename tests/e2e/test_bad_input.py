"""Every endpoint with every fault that it can be given: the answer is a problem that says so.

Made from the table of operations: a new one is asked all of this without a new line here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from heliograph.access.keys import Scope
from heliograph.api.openapi.errors import problems_of
from heliograph.api.openapi.operations import OPERATIONS, PARAMETERS, Operation, methods_of

from tests.e2e.world import World

WRONG_SCOPES = {
    Scope.JOBS_READ: [Scope.JOBS_WRITE],
    Scope.JOBS_WRITE: [Scope.JOBS_READ],
    Scope.ADMIN: [Scope.JOBS_READ, Scope.JOBS_WRITE],
}
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Where nobody listens.
NOBODY = "http://127.0.0.1:9/"
HAS_TENANTS = {"job_id", "endpoint_id", "delivery_id"}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a call, and the problem that it is. `pointers`: what is to be named."""

    name: str
    status: int
    code: str
    key: str = "able"
    ids: str = "nobody's"
    method: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    pointers: frozenset[str] = frozenset()


def faults_of(operation: Operation) -> Iterator[Fault]:
    yield Fault("no key", 401, "unauthenticated", key="none")
    yield Fault("a wrong key", 401, "invalid_api_key", key="wrong")
    for scope in operation.scopes:
        yield Fault(f"a key without {scope}", 403, "insufficient_scope", key=f"not {scope}")
    for method in EVERY_METHOD:
        if method not in methods_of(operation.path):
            yield Fault(f"the method {method}", 405, "method_not_allowed", method=method)
    if operation.parameters:
        yield Fault("an id that nobody has", 404, "not_found")
        yield Fault("no id", 404, "not_found", ids="none")
        yield Fault("far too long an id", 404, "not_found", ids="long")
        if HAS_TENANTS.issuperset(operation.parameters):
            yield Fault("the id of another tenant's", 404, "not_found", ids="another's", key="stranger")
    if operation.query:
        yield from _of_query(operation)
    if operation.body:
        yield from _of_body(operation)
    if "Idempotency-Key" in operation.headers:
        for key in ("two words", "x" * 256, "schlüssel"):
            yield Fault(
                f"the idempotency key {key[:12]}",
                422,
                "invalid_input",
                headers={"Idempotency-Key": key},
                content=json.dumps(operation.example).encode(),
                pointers=frozenset({""}),
            )


def _of_query(operation: Operation) -> Iterator[Fault]:
    assert operation.query
    unknown = frozenset({"?colour"})
    yield Fault("an unknown parameter", 422, "invalid_input", query=(("colour", "red"),), pointers=unknown)
    for name, schema in operation.query.model_json_schema(by_alias=True)["properties"].items():
        told = frozenset({f"?{name}"})
        # Free texts take what they are given.
        if any(word in json.dumps(schema) for word in ("pattern", "format", "$ref", "integer")):
            yield Fault(f"a wrong {name}", 422, "invalid_input", query=((name, "?!"),), pointers=told)
        yield Fault(f"{name} twice", 422, "invalid_input", query=((name, "1"), (name, "2")), pointers=told)


def _of_body(operation: Operation) -> Iterator[Fault]:
    assert operation.body
    assert operation.example
    schema = operation.body.model_json_schema()
    for body in (b"", b"{", b"[]", b"null", b'"text"', b"\xff", b'{"a": NaN}', b"[" * 5000):
        yield Fault(f"the body {body[:12]!r}", 400, "malformed_body", content=body)
    yield Fault("an oversized body", 413, "payload_too_large", content=b'{"a": "' + b"x" * 300_000 + b'"}')
    # No field of ours is a list of lists.
    wrong: dict[str, Any] = {name: [[]] for name in schema["properties"]}
    yield Fault("wrong types", 422, "invalid_input", content=json.dumps(wrong).encode(), pointers=_pointers(wrong))
    colourful = {**operation.example, "colour": "red"}
    told = frozenset({"/colour"})
    yield Fault("an unknown field", 422, "invalid_input", content=json.dumps(colourful).encode(), pointers=told)
    if required := schema.get("required"):
        yield Fault("nothing of what is required", 422, "invalid_input", content=b"{}", pointers=_pointers(required))


def _pointers(names: Any) -> frozenset[str]:
    return frozenset(f"/{name}" for name in names)


CASES = [(operation, fault) for operation in OPERATIONS for fault in faults_of(operation)]


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str]:
    """Keys by what they are good for."""

    def made(tenant: str, scopes: list[Scope]) -> str:
        asked = {"name": "bad input", "tenant": tenant, "scopes": scopes}
        return str(world.call("POST", "/v1/keys", json=asked).json()["key"])

    return {
        "able": world.stack.api_key,
        "wrong": f"hg_{'x' * 43}",
        "stranger": made("stranger", list(Scope)),
        **{f"not {scope}": made("default", scopes) for scope, scopes in WRONG_SCOPES.items()},
    }


@pytest.fixture(scope="module")
def things(world: World) -> Iterator[dict[str, str]]:
    """Ids of what belongs to the tenant `default`."""
    asked = {"url": NOBODY, "events": ["webhook.endpoint.disabled"]}
    endpoint = world.call("POST", "/v1/webhook-endpoints", json=asked)
    endpoint_id = endpoint.json()["id"]
    delivery = world.call("POST", f"/v1/webhook-endpoints/{endpoint_id}/test")
    yield {
        "job_id": world.post(prompt="somebody's own")["id"],
        "endpoint_id": endpoint_id,
        "delivery_id": delivery.json()["id"],
    }
    world.call("DELETE", f"/v1/webhook-endpoints/{endpoint_id}")


def path_of(operation: Operation, ids: str, things: dict[str, str]) -> str:
    path = operation.path
    for name in operation.parameters:
        prefix = str(PARAMETERS[name].schema["pattern"]).removeprefix("^").partition("_")[0]
        value = {"nobody's": f"{prefix}_{'a' * 26}", "none": "nonsense", "long": "x" * 2000}.get(ids) or things[name]
        path = path.replace(f"{{{name}}}", value)
    return path


def asked(
    world: World, operation: Operation, fault: Fault, keys: dict[str, str], things: dict[str, str]
) -> httpx.Response:
    content = fault.content
    if content is None and operation.example is not None:
        content = json.dumps(operation.example).encode()
    headers = [(name.encode(), value.encode()) for name, value in fault.headers.items()]
    if key := keys.get(fault.key):
        headers.append((b"Authorization", f"Bearer {key}".encode()))
    return world.http.request(
        fault.method or operation.method,
        world.stack.api_url + path_of(operation, fault.ids, things),
        params=fault.query,
        headers=headers,
        content=content if (fault.method or operation.method) != "GET" else None,
    )


@pytest.mark.parametrize(
    ("operation", "fault"), CASES, ids=[f"{operation.id}: {fault.name}" for operation, fault in CASES]
)
def test_a_fault_is_a_problem_that_says_so(
    world: World, keys: dict[str, str], things: dict[str, str], operation: Operation, fault: Fault
) -> None:
    answer = asked(world, operation, fault, keys, things)

    assert answer.status_code == fault.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (fault.status, fault.code)
    assert (problem["retryable"], problem["charged"]) == (False, "no")
    assert problem["request_id"]
    assert problem["detail"]
    named = {error["pointer"] for error in problem.get("errors", ())}
    for pointer in fault.pointers:
        assert any(name == pointer or name.startswith(f"{pointer}/") for name in named), named
    if fault.status == 405:
        assert answer.headers["allow"] == ", ".join(methods_of(operation.path))
    else:
        documented = {status.value: codes for status, codes in problems_of(operation).items()}
        assert fault.code in documented[fault.status]


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_a_path_tells_what_it_takes(world: World, things: dict[str, str], path: str) -> None:
    operation = next(operation for operation in OPERATIONS if operation.path == path)

    answer = world.call("OPTIONS", path_of(operation, "nobody's", things))

    assert answer.status_code == 204
    assert answer.headers["allow"] == ", ".join(methods_of(path))
