"""The API's answers: jobs as their owners see them, problems as RFC 9457 has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from heliograph.domain.failures import Charged
from heliograph.domain.jobs import Job
from heliograph.domain.keys import ApiKey
from heliograph.domain.money import usd
from heliograph.domain.polling import QUIET_SECONDS
from heliograph.runtime.observability import logger
from heliograph.runtime.problems import CONTENT_TYPE, Problem
from heliograph.runtime.representations import Listing, Representation
from heliograph.steps.hear_callback import Heard
from heliograph.steps.read_job import JobView, LinkedResult
from heliograph.steps.submit_request import Quote


def api_resolver(*, charged_on_failure: Charged) -> APIGatewayRestResolver:
    """A resolver whose every error is a problem document. `charged_on_failure`: of a call that broke midway."""
    # A custom domain may map a path of its own before ours.
    app = APIGatewayRestResolver(strip_prefixes=[re.compile(r"^/(?!v1(/|$))[^/]+(?=/v1(/|$))")])

    # One handler for all: powertools finds the nearest base class.
    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def problem(error: Exception) -> Response[str]:
        found = Problem.of(error, charged=charged_on_failure)
        if found.charged is not Charged.NO and "Idempotency-Key" not in app.current_event.headers:
            # The call may have left a job behind, and nothing would tell the next one from it.
            found.retryable = False
            found.detail += "; the call may have made a job: with an Idempotency-Key it could be repeated safely"
        if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("a call failed")
        return _problem(app.current_event, found)

    @app.not_found
    def no_such_path(error: NotFoundError) -> Response[str]:
        return _problem(app.current_event, Problem.not_found("path or method"))

    return app


def accepted(view: JobView, *, replayed: bool) -> Response[str]:
    """202: the job is written down and will be done. `Retry-After` is when asking first makes sense, in seconds.

    `Location` is relative to the call's own URL (RFC 9110, 10.2.2): right behind any stage, domain or proxy.
    """
    headers: dict[str, str | list[str]] = {"Location": f"jobs/{view.job.job_id}"}
    if not view.job.is_over:
        headers["Retry-After"] = str(QUIET_SECONDS)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return _json(202, represent(view), headers)


def quoted(quote: Quote) -> Response[str]:
    """200 with what the call would be: nothing was written, and nothing will be spent."""
    prices = [route.price_microusd for route in quote.routes]
    document = {
        "dry_run": True,
        "task": quote.request.task,
        "request": quote.request.model_dump(mode="json"),
        "routes": [
            {
                "name": route.name,
                "provider": route.provider,
                "model": route.model,
                "price_usd": usd(route.price_microusd),
            }
            for route in quote.routes
        ],
        "price_usd": usd(prices[0]),
        "price_usd_at_most": usd(max(prices)),
    }
    return _json(200, document, {})


def heard(outcome: Heard) -> Response[str]:
    """204 for what was meant for us; 404, which tells nothing, for what was not; else an answer to be repeated."""
    match outcome:
        case Heard.KNOWN | Heard.ADOPTED:
            return Response(HTTPStatus.NO_CONTENT.value, "application/json", "", {})
        case Heard.UNKNOWN:
            raise Problem.not_found("path or method")
        case Heard.MALFORMED:
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed", "the body names no task")
        case Heard.UNCONFIRMED:
            detail = "the task could not be confirmed; send it again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retryable=True)


def found(view: JobView) -> Response[str]:
    """200 with the job. `Retry-After` while there is something to wait for."""
    headers: dict[str, str | list[str]] = {"Cache-Control": "no-store"}
    if not view.job.is_over:
        headers["Retry-After"] = "3"
    return _json(200, represent(view), headers)


def represent(view: JobView) -> dict[str, Any]:
    """A job for its owner: status, attempts, timings, price, and links that read the results for a short while."""
    job = view.job
    return {
        "id": job.job_id,
        "status": job.status,
        "task": job.request.task,
        "request": job.request.model_dump(mode="json"),
        "source": job.source.model_dump(mode="json", exclude_none=True),
        "created_at": _utc(job.created_at),
        "deadline_at": _utc(job.deadline_at),
        "finished_at": _utc(job.finished_at) if job.finished_at else None,
        "timings": job.timings().model_dump(),
        "price_usd": job.price_usd,
        "charged": _charged(job),
        "attempts": [attempt.told() for attempt in job.attempts],
        "results": [_result(linked) for linked in view.results],
        "provider_urls": job.provider_urls,
        "failure": job.failure.model_dump(mode="json") if job.failure else None,
    }


def _charged(job: Job) -> Charged | None:
    """Known once the job is over."""
    if not job.is_over:
        return None
    return job.failure.charged if job.failure else Charged.YES


def _result(linked: LinkedResult) -> dict[str, Any]:
    return {
        **linked.result.model_dump(mode="json"),
        "url": linked.url,
        "url_expires_at": _utc(linked.expires_at),
    }


def _utc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def made(key: str, record: ApiKey) -> Response[str]:
    """201 with the key, which is shown here and nowhere else."""
    return _json(201, {**_told(record), "key": key}, {"Cache-Control": "no-store"})


def listed(records: Iterable[ApiKey]) -> Response[str]:
    """200 with all keys, newest first."""
    ordered = sorted(records, key=lambda record: record.created_at, reverse=True)
    return _json(200, {"data": [_told(record) for record in ordered]}, {"Cache-Control": "no-store"})


def revoked(record: ApiKey | None) -> Response[str]:
    """200 with the key that opens nothing any more."""
    if record is None:
        raise Problem.not_found("key")
    return _json(200, _told(record), {})


def _told(record: ApiKey) -> dict[str, Any]:
    fields = record.model_dump(mode="json", exclude={"key_id", "digest", "scopes"})
    return {"id": record.key_id, **fields, "scopes": sorted(record.scopes)}


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
    return Response(problem.status.value, CONTENT_TYPE, json.dumps(problem.document(request_id)), headers)


def answer(status: int, body: Representation, headers: dict[str, str | list[str]] | None = None) -> Response[str]:
    """The body as JSON. What is told to one caller is kept by nobody on the way."""
    return Response(
        status, "application/json", body.model_dump_json(), {"Cache-Control": "no-store", **(headers or {})}
    )


def sliced(call: APIGatewayProxyEvent, listing: Listing[Any]) -> Response[str]:
    """200 with a slice of a list. `Link` (RFC 8288) leads to the next one, relative to the call's own URL."""
    headers: dict[str, str | list[str]] = {}
    if listing.next_cursor:
        query = {**(call.query_string_parameters or {}), "cursor": listing.next_cursor}
        headers["Link"] = f'<?{urlencode(query)}>; rel="next"'
    return answer(200, listing, headers)


def _json(status: int, document: dict[str, Any], headers: dict[str, str | list[str]]) -> Response[str]:
    return Response(status, "application/json", json.dumps(document, ensure_ascii=False), headers)
