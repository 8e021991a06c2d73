"""Routing and authentication of the calls in OpenAI's shape, which reach a function URL without an authorizer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from heliograph.access.authenticate import Authenticator
from heliograph.access.count_calls import CallCounter
from heliograph.access.keys import Caller, Scope
from heliograph.api.bearer import bearer_of
from heliograph.api.openai import EDITS, GENERATIONS, MODELS
from heliograph.api.openai.rate_limit import RateLimit
from heliograph.api.openai.refusal import INVALID, Refusal
from heliograph.monitoring.logging import logger
from heliograph.openai_images.image_links import FILES


def images_resolver() -> LambdaFunctionUrlResolver:
    """A resolver whose errors all have OpenAI's shape."""
    app = LambdaFunctionUrlResolver()

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def refused(error: Exception) -> Response[str]:
        refusal = Refusal.of(error)
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Refusal):
            logger.exception("call failed")
        return refusal.response()

    @app.not_found
    def no_such_path(error: NotFoundError) -> Response[str]:
        path = app.current_event.path
        allowed = "POST" if path in (GENERATIONS, EDITS) else "GET" if path.startswith((MODELS, FILES)) else ""
        if allowed and app.current_event.http_method != allowed:
            response = Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, INVALID, "method_not_allowed", f"only {allowed} is allowed"
            ).response()
            response.headers["Allow"] = allowed
            return response
        message = (
            f"there are only POST {GENERATIONS}, POST {EDITS} and GET {MODELS}; the client's base_url is the output "
            "ImagesUrl and v1"
        )
        return Refusal(HTTPStatus.NOT_FOUND, INVALID, "unknown_url", message).response()

    return app


def handle_images_call(
    app: LambdaFunctionUrlResolver,
    event: dict[str, Any],
    context: LambdaContext,
    *,
    authenticator: Authenticator,
    counter: CallCounter,
) -> dict[str, Any]:
    """The resolver's response, or an error if the key is unknown or lacks a scope: the URL has no authorizer.

    The resolver's context carries the caller and its `RateLimit`. The route applies the limit itself: it knows how
    many calls one counts for, and a client's retry of a refused call must not be matched to an earlier call. Links to
    images are signed, and need no key.
    """
    call = LambdaFunctionUrlEvent(event)
    if call.path.startswith(f"{FILES}/"):
        return app.resolve(event, context)
    rate_limit = None
    try:
        caller = _authenticate(call, authenticator)
        rate_limit = RateLimit(caller, counter, counter.count(caller))
    except Exception as error:
        if not isinstance(error, Refusal):
            logger.exception("call failed before its route")
        refusal = Refusal.of(error).response()
        refusal_headers = {**refusal.headers, "Content-Type": "application/json"}
        response: dict[str, Any] = {
            "statusCode": refusal.status_code,
            "headers": refusal_headers,
            "body": refusal.body,
        }
    else:
        app.append_context(caller=caller, rate_limit=rate_limit)  # type: ignore[no-untyped-call]
        response = app.resolve(event, context)
    headers = response.setdefault("headers", {})
    headers["X-Request-Id"] = call.request_context.request_id
    if rate_limit and (allowance := rate_limit.allowance):
        headers["RateLimit-Policy"] = f'"key";q={allowance.limit};w=60'
        headers["RateLimit"] = f'"key";r={allowance.remaining};t={allowance.reset_seconds}'
    return response


def _authenticate(call: LambdaFunctionUrlEvent, authenticator: Authenticator) -> Caller:
    caller = authenticator.authenticate(bearer_of(call.headers.get("authorization", "")))
    if caller is None:
        message = "this key is not valid here; send a key of this deployment as Authorization: Bearer <key>"
        raise Refusal(HTTPStatus.UNAUTHORIZED, INVALID, "invalid_api_key", message)
    for scope in (Scope.JOBS_WRITE, Scope.JOBS_READ):
        if not caller.may(scope):
            raise Refusal(HTTPStatus.FORBIDDEN, INVALID, "insufficient_scope", f"this key lacks the scope {scope}")
    return caller
