"""Scopes, call limits and request ids of every API call."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from heliograph.access.authenticate import CallerRefresher
from heliograph.access.count_calls import CallCounter
from heliograph.access.keys import Caller, Scope
from heliograph.api.call import ApiCall
from heliograph.api.problems import Problem
from heliograph.api.responses import problem_answer

# An endpoint receives what `jobs:read` may see, so its maker needs that scope as well.
READING = (Scope.JOBS_READ,)
WRITING = (Scope.JOBS_WRITE, Scope.JOBS_READ)


def handle_api_call(
    app: APIGatewayRestResolver, event: dict[str, Any], context: LambdaContext, *, counter: CallCounter
) -> dict[str, Any]:
    """The resolver's answer, or 429 if the caller's key has used up its calls of this minute.

    Headers as in the drafts: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    """
    call = APIGatewayProxyEvent(event)
    allowance = counter.count(ApiCall.caller_of(call))
    if allowance and allowance.is_exceeded:
        problem = Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate_limited",
            f"this key may be used {allowance.limit} times a minute",
            retryable=True,
            retry_after_seconds=allowance.reset_seconds,
        )
        answer = problem_answer(problem, call)
    else:
        answer = app.resolve(event, context)
    headers = answer.setdefault("multiValueHeaders", {})
    headers["X-Request-Id"] = [call["requestContext"]["requestId"]]
    if allowance:
        headers["RateLimit-Policy"] = [f'"key";q={allowance.limit};w=60']
        headers["RateLimit"] = [f'"key";r={allowance.remaining};t={allowance.reset_seconds}']
    return answer


def require(caller: Caller, scope: Scope) -> None:
    """Raises a `Problem` (403) unless the key has the scope."""
    if not caller.may(scope):
        detail = f"this key lacks the scope {scope}"
        raise Problem(HTTPStatus.FORBIDDEN, "insufficient_scope", detail)


def caller_with(event: APIGatewayProxyEvent, *scopes: Scope) -> Caller:
    """The caller. Raises a `Problem` (403) unless the key has all scopes."""
    caller = ApiCall.caller_of(event)
    for scope in scopes:
        require(caller, scope)
    return caller


def caller_now(app: APIGatewayRestResolver, refresher: CallerRefresher, *scopes: Scope) -> Caller:
    """The caller of a privileged call, according to its key's current record.

    The gateway caches the authorizer's answer for a minute. Privileged calls create or show keys and secrets, choose
    where events are sent, or see all tenants. Raises a `Problem` (403) unless the key has all scopes, and
    `KeyRevoked` (401).
    """
    known = ApiCall.caller_of(app.current_event)
    for scope in scopes:
        require(known, scope)
    caller = refresher.refresh(known)
    for scope in scopes:
        require(caller, scope)
    return caller
