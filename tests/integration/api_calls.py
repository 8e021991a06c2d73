"""Calls of the API, as API Gateway hands them to the functions behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from heliograph.access.keys import Caller, Scope
from heliograph.api.call import authorizer_context

from tests.integration.lambdas import Context, Handler, started
from tests.triggers import read

REQUEST_ID = read("get_job.json")["requestContext"]["requestId"]
OWNER = Caller(tenant="default", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
ADMIN = Caller(tenant="default", scopes=frozenset({Scope.ADMIN}))

Answer = tuple[int, Any, dict[str, list[str]]]


def call(
    function: str | Handler,
    method: str,
    path: str,
    body: Any = None,
    *,
    caller: Caller = OWNER,
    query: Mapping[str, str | list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    context: Context | None = None,
) -> Answer:
    """The function's answer to this caller. A function that is named is started first."""
    event = read("post_job.json" if method == "POST" else "get_job.json")
    parameters = {name: [value] if isinstance(value, str) else value for name, value in (query or {}).items()}
    event |= {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "multiValueQueryStringParameters": parameters or None,
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
    }
    event["requestContext"]["authorizer"] = {"principalId": caller.tenant, **authorizer_context(caller)}
    event["requestContext"]["requestId"] = REQUEST_ID
    event["headers"] |= headers or {}
    event["multiValueHeaders"] |= {name: [value] for name, value in (headers or {}).items()}
    handler = started(function) if isinstance(function, str) else function
    answer = handler(event, context or Context())
    assert answer["multiValueHeaders"]["X-Request-Id"] == [REQUEST_ID]
    return answer["statusCode"], json.loads(answer["body"]), answer["multiValueHeaders"]


call_as_admin = partial(call, caller=ADMIN)
