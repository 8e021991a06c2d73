"""The API's answers: documents, lists, and problems as RFC 9457 has them. Those about jobs: job_answers.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from heliograph.api.problems import CONTENT_TYPE, Problem
from heliograph.api.representations import Listing, Representation
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import logger, tell
from heliograph.monitoring.metrics import of_list


def api_resolver(
    *, charged_on_failure: Charged, methods_of: Callable[[str], tuple[str, ...]] = lambda _: ()
) -> APIGatewayRestResolver:
    """A resolver whose every error is a problem document. `charged_on_failure`: of a call that broke midway.

    `methods_of`: what a path of the API takes, for calls of one that it does not take.
    """
    # A custom domain may map a path of its own before ours.
    app = APIGatewayRestResolver(strip_prefixes=[re.compile(r"^/(?!v1(/|$))[^/]+(?=/v1(/|$))")])

    # One handler for all: powertools finds the nearest base class.
    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def problem(error: Exception) -> Response[str]:
        found = Problem.of(error, charged=charged_on_failure)
        call = app.current_event
        if found.charged is not Charged.NO and call.path.endswith("/jobs") and "Idempotency-Key" not in call.headers:
            # The call may have left a job behind, and nothing would tell the next one from it.
            found.retryable = False
            found.detail += "; the call may have made a job: with an Idempotency-Key it could be repeated safely"
        if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("a call failed")
        return _problem(call, found)

    @app.not_found
    def no_such_path(error: NotFoundError) -> Response[str]:
        call = app.current_event
        allowed = methods_of(call.resource)
        if not allowed or call.http_method in allowed:
            # Of a path that is taken, a part that is nobody's id.
            return _problem(call, Problem.not_found("path or method"))
        if call.http_method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT.value, "application/json", "", {"Allow": ", ".join(allowed)})
        return _problem(call, Problem.method_not_allowed(allowed))

    return app


def problem_answer(problem: Problem, call: APIGatewayProxyEvent) -> dict[str, Any]:
    """The problem as API Gateway takes it, where no resolver is at work."""
    response = _problem(call, problem)
    headers = {"Content-Type": [CONTENT_TYPE], **{name: [str(value)] for name, value in response.headers.items()}}
    return {"statusCode": response.status_code, "multiValueHeaders": headers, "body": response.body}


def _problem(call: APIGatewayProxyEvent, problem: Problem) -> Response[str]:
    request_id = str(call["requestContext"]["requestId"])
    headers: dict[str, str | list[str]] = {}
    if problem.retryable and problem.retry_after_seconds:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    if problem.allowed:
        headers["Allow"] = ", ".join(problem.allowed)
    document = problem.document(request_id, docs=f"{_to_the_root(call)}docs")
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(problem.status.value, CONTENT_TYPE, body, headers)


def _to_the_root(call: APIGatewayProxyEvent) -> str:
    """From the call's URL to that of the deployment, relative: right behind any stage, domain or proxy."""
    proxied = (call.path_parameters or {}).get("proxy", "")
    return "../" * (call.resource.replace("{proxy+}", proxied).count("/") - 1)


def answer(status: int, body: Representation, headers: Mapping[str, str] | None = None) -> Response[str]:
    """The body as JSON. What is told to one caller is kept by nobody on the way."""
    return Response(
        status, "application/json", body.model_dump_json(), {"Cache-Control": "no-store", **(headers or {})}
    )


def listed(listing: Listing[Any], headers: Mapping[str, str] | None = None) -> Response[str]:
    """200 with a list. What of it can't be read is logged by its ids, and counted."""
    report_unreadable(listing.unreadable)
    return answer(200, listing, headers)


def report_unreadable(records: tuple[str, ...]) -> None:
    """Logs records that can't be read by their ids, and counts them."""
    if records:
        logger.error("unreadable", extra={"records": records})
        tell(of_list(len(records)))


def sliced(call: APIGatewayProxyEvent, listing: Listing[Any]) -> Response[str]:
    """200 with a slice of a list. `Link` (RFC 8288) leads to the next one, relative to the call's own URL."""
    headers: dict[str, str] = {}
    if listing.next_cursor:
        query = {**(call.query_string_parameters or {}), "cursor": listing.next_cursor}
        headers["Link"] = f'<?{urlencode(query)}>; rel="next"'
    return listed(listing, headers)
