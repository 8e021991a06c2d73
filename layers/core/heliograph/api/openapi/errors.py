"""Problems that each operation may return: statuses, codes and causes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from heliograph.api.openapi.operations import Operation
from heliograph.api.problems import Problem
from heliograph.kernel.errors import Fault
from heliograph.kernel.failures import Charged

Codes = Mapping[str, str]

BAD_REQUEST: Codes = {
    "malformed_body": "the body is no JSON object",
    "bad_request": "the gateway could not read the call",
}
UNAUTHORIZED: Codes = {
    "unauthenticated": "there is no key, or it was revoked or has expired a moment ago",
    "invalid_api_key": "the key is wrong, revoked, expired or from another deployment",
}
PAYMENT_REQUIRED: Codes = {
    "budget_exceeded": "the job's price does not fit into a daily or monthly budget; nothing was reserved"
}
FORBIDDEN: Codes = {
    "insufficient_scope": "the key lacks the scope",
}
NOT_FOUND: Codes = {"not_found": "it does not exist, or belongs to another tenant"}
CONFLICTS: Codes = {
    "not_cancelable": "the job has ended",
    "not_retryable": "the job has not ended, or it succeeded",
    "too_many_endpoints": "the tenant already has 16 endpoints",
    "changed_meanwhile": "another call changed it at the same moment; read it again",
    "endpoint_removed": "its endpoint was removed",
    "key_revoked": "the key is revoked; create another",
    "endpoint_not_enabled": "its endpoint is paused or disabled; enable it first",
}
TOO_LARGE: Codes = {"payload_too_large": "the body is over 256 KB"}
UNPROCESSABLE: Codes = {"invalid_input": "the input is invalid; `errors` lists every fault"}
UNSUPPORTED: Codes = {"unsupported_media": "a reference is no image, broken or too large; see `errors`"}
TOO_MANY: Codes = {"rate_limited": "too many calls, by all callers or by this key; see `Retry-After`"}
TOO_MANY_WAITS: Codes = {"too_many_waits": "too many calls of this key wait with `Prefer: wait`; nothing was done"}
INTERNAL: Codes = {"internal": "an error on our side; if a job may have been created, `charged` is `unknown`"}
UNAVAILABLE: Codes = {"unavailable": "a service that we depend on did not respond; see `charged` and `retryable`"}
TIMEOUT: Codes = {"internal": "the call took too long; if a job may have been created, `charged` is `unknown`"}


# Every code. The page that `type` leads to, docs/errors.md, has an entry for each.
EVERY: Codes = {
    **BAD_REQUEST,
    **UNAUTHORIZED,
    **PAYMENT_REQUIRED,
    **FORBIDDEN,
    **NOT_FOUND,
    "method_not_allowed": "the path has other methods, named in `Allow`",
    **CONFLICTS,
    **TOO_LARGE,
    **UNPROCESSABLE,
    **UNSUPPORTED,
    **TOO_MANY,
    **TOO_MANY_WAITS,
    **INTERNAL,
    **UNAVAILABLE,
}


def problems_of(operation: Operation) -> dict[HTTPStatus, Codes]:
    """Codes that the operation may return, by status."""
    reads = operation.body is not None
    found: dict[HTTPStatus, Codes | None] = {
        HTTPStatus.BAD_REQUEST: BAD_REQUEST if reads else {"bad_request": BAD_REQUEST["bad_request"]},
        HTTPStatus.UNAUTHORIZED: UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED: PAYMENT_REQUIRED if operation.spends else None,
        HTTPStatus.FORBIDDEN: FORBIDDEN if operation.scopes else None,
        HTTPStatus.NOT_FOUND: NOT_FOUND if operation.parameters else None,
        HTTPStatus.CONFLICT: {code: CONFLICTS[code] for code in operation.conflicts},
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TOO_LARGE if reads else None,
        HTTPStatus.UNPROCESSABLE_ENTITY: {**UNPROCESSABLE, **UNSUPPORTED}
        if operation.spends
        else UNPROCESSABLE
        if reads or operation.query
        else None,
        HTTPStatus.TOO_MANY_REQUESTS: {**TOO_MANY, **(TOO_MANY_WAITS if "Prefer" in operation.headers else {})},
        HTTPStatus.INTERNAL_SERVER_ERROR: INTERNAL,
        HTTPStatus.SERVICE_UNAVAILABLE: UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT: TIMEOUT,
    }
    return {status: codes for status, codes in found.items() if codes}


def example_of(status: HTTPStatus, codes: Codes) -> Problem:
    """An example: the first of the codes."""
    code, when = next(iter(codes.items()))
    faults = (Fault("/prompt", "is required"),) if status is HTTPStatus.UNPROCESSABLE_ENTITY else ()
    server_side = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    charged = Charged.UNKNOWN if server_side else Charged.NO
    return Problem(status, code, when, retryable=code == "rate_limited", charged=charged, errors=faults)
