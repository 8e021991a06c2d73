"""Which problems an operation may answer with: the statuses, the codes, and when."""

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
    "bad_request": "the gateway could make nothing of the call",
}
UNAUTHORIZED: Codes = {
    "unauthenticated": "no key, or one that was revoked or has expired a moment ago",
    "invalid_api_key": "a wrong, revoked or expired key, or one of another deployment",
}
PAYMENT_REQUIRED: Codes = {
    "budget_exceeded": "what the job may cost does not fit into a budget of the day or month; nothing was reserved"
}
FORBIDDEN: Codes = {
    "insufficient_scope": "the key does not open this",
}
NOT_FOUND: Codes = {"not_found": "there is none, or it is another tenant's"}
CONFLICTS: Codes = {
    "not_cancelable": "the job is over",
    "not_retryable": "the job is not over, or succeeded",
    "too_many_endpoints": "there are 16, and no more may be",
    "changed_meanwhile": "somebody else changed it at the same moment; look at it again",
    "endpoint_removed": "its endpoint was removed",
    "key_revoked": "the key is revoked; make another",
    "endpoint_not_enabled": "its endpoint is paused or disabled; enable it first",
}
TOO_LARGE: Codes = {"payload_too_large": "the body is over 256 KB"}
UNPROCESSABLE: Codes = {"invalid_input": "something to mend; `errors` names everything at once"}
UNSUPPORTED: Codes = {
    "unsupported_media": "references that no model can read: no images, broken or too large ones; see `errors`"
}
TOO_MANY: Codes = {"rate_limited": "too many calls, of everybody or of this key; see `Retry-After`"}
TOO_MANY_WAITS: Codes = {"too_many_waits": "too many calls of this key wait by `Prefer: wait`; nothing was done"}
INTERNAL: Codes = {"internal": "our side; where a job may have been made, `charged` is `unknown`"}
UNAVAILABLE: Codes = {"unavailable": "a service behind us did not answer; see `charged` and `retryable`"}
TIMEOUT: Codes = {"internal": "it took too long; where a job may have been made, `charged` is `unknown`"}


# Every code, explained on the page that `type` leads to.
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
    """By status: the codes that it may answer with."""
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
    """One of them."""
    code, when = next(iter(codes.items()))
    faults = (Fault("/prompt", "is required"),) if status is HTTPStatus.UNPROCESSABLE_ENTITY else ()
    server_side = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    charged = Charged.UNKNOWN if server_side else Charged.NO
    return Problem(status, code, when, retryable=code == "rate_limited", charged=charged, errors=faults)
