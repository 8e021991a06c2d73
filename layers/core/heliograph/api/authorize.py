"""What every answer of the API has in common: a request id, and how much the caller's key may still do."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from heliograph.access.keys import Caller, Scope
from heliograph.access.manage_keys import Allowance
from heliograph.api.call import ApiCall
from heliograph.api.problems import Problem
from heliograph.api.responses import problem_answer

# An endpoint sees what a reader sees: who makes it must be one.
READING = (Scope.JOBS_READ,)
WRITING = (Scope.JOBS_WRITE, Scope.JOBS_READ)

# With the caller, and how many `times` its call counts (once, unless given).
CountCall = Callable[..., Allowance | None]
LookUpAgain = Callable[[Caller], Caller]


def handle_api_call(
    app: APIGatewayRestResolver, event: dict[str, Any], context: LambdaContext, *, count_call: CountCall
) -> dict[str, Any]:
    """The resolver's answer, unless the caller's key was used too often in this minute (429).

    Headers as the drafts have them: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    """
    call = APIGatewayProxyEvent(event)
    allowance = count_call(ApiCall.caller_of(call))
    if allowance and allowance.is_used_up:
        problem = Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate_limited",
            f"this key may be used {allowance.most} times a minute",
            retryable=True,
            retry_after_seconds=allowance.reset_seconds,
        )
        answer = problem_answer(problem, call)
    else:
        answer = app.resolve(event, context)
    headers = answer.setdefault("multiValueHeaders", {})
    headers["X-Request-Id"] = [call["requestContext"]["requestId"]]
    if allowance:
        headers["RateLimit-Policy"] = [f'"key";q={allowance.most};w=60']
        headers["RateLimit"] = [f'"key";r={allowance.left};t={allowance.reset_seconds}']
    return answer


def require(caller: Caller, scope: Scope) -> None:
    """Raises a `Problem` (403) unless the key opens this."""
    if not caller.may(scope):
        detail = f"this key lacks the scope {scope}"
        raise Problem(HTTPStatus.FORBIDDEN, "insufficient_scope", detail)


def caller_with(event: APIGatewayProxyEvent, *scopes: Scope) -> Caller:
    """Who calls. Raises a `Problem` (403) unless the key opens all of this."""
    caller = ApiCall.caller_of(event)
    for scope in scopes:
        require(caller, scope)
    return caller


def caller_now(app: APIGatewayRestResolver, look_up_again: LookUpAgain, *scopes: Scope) -> Caller:
    """Who calls, by the key's record as it is now: for what outlives the minute in which the gateway lets a key in.

    That is whatever makes or shows keys and secrets, says where events go, or sees all tenants. Raises a `Problem`
    (403) unless the key opens all of this, and `KeyRevoked` (401).
    """
    known = ApiCall.caller_of(app.current_event)
    for scope in scopes:
        require(known, scope)
    caller = look_up_again(known)
    for scope in scopes:
        require(caller, scope)
    return caller
