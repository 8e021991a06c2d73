"""What goes wrong in an API call, as RFC 9457 problem details. One place for every code and status of ours.

Those that the gateway answers by itself (no key, a wrong one, no such path) have the same shape: see
`GatewayResponses` in template.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

from heliograph.api.representations.problems import FaultResource, ProblemDocument
from heliograph.kernel.errors import (
    BudgetExceeded,
    Conflict,
    Fault,
    InvalidRequest,
    KeyRevoked,
    MalformedDocument,
    StaleJob,
    StorageFailed,
    TooManyWaits,
    TooSoon,
    Unavailable,
    UnsupportedMedia,
)
from heliograph.kernel.failures import Charged, FailureCode

Found = TypeVar("Found")

_NOTHING_DONE = "nothing was done and nothing charged"
CONTENT_TYPE = "application/problem+json"
# Written out, because Python's own phrases change from version to version.
TITLES = {
    HTTPStatus.OK: "OK",
    HTTPStatus.CREATED: "Created",
    HTTPStatus.ACCEPTED: "Accepted",
    HTTPStatus.BAD_REQUEST: "Bad Request",
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.PAYMENT_REQUIRED: "Payment Required",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "Not Found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method Not Allowed",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
    HTTPStatus.TOO_MANY_REQUESTS: "Too Many Requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal Server Error",
    HTTPStatus.BAD_GATEWAY: "Bad Gateway",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "Gateway Timeout",
}


class Problem(Exception):
    """An answer that is not what was asked for. `retryable`: unchanged, later; how much later, if that can be said."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        retry_after_seconds: int | None = 5,
        charged: Charged = Charged.NO,
        errors: Sequence[Fault] = (),
        allowed: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retryable, self.charged, self.errors = retryable, charged, errors
        self.retry_after_seconds, self.allowed = retry_after_seconds, allowed

    def document(self, request_id: str, *, docs: str = "../docs") -> dict[str, object]:
        """The problem as JSON; `errors` has one entry per fault with a JSON pointer into the request's body.

        `docs`: where the API's reference is, relative to the call's URL. The page of errors is below it.
        """
        told = ProblemDocument(
            type=f"{docs}/errors#{self.code}",
            title=TITLES[self.status],
            status=self.status.value,
            detail=self.detail,
            code=self.code,
            retryable=self.retryable,
            charged=self.charged,
            request_id=request_id,
            errors=tuple(FaultResource(pointer=fault.pointer, detail=fault.detail) for fault in self.errors),
        )
        return told.model_dump(mode="json", exclude=None if self.errors else {"errors"})

    @classmethod
    def not_found(cls, what: str) -> Problem:
        """404"""
        return cls(HTTPStatus.NOT_FOUND, "not_found", f"there is no such {what}")

    @classmethod
    def method_not_allowed(cls, allowed: Sequence[str]) -> Problem:
        """405, with the methods that there are."""
        detail = f"this path takes {', '.join(allowed)}"
        return cls(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, allowed=allowed)

    @classmethod
    def payload_too_large(cls, most_bytes: int) -> Problem:
        """413"""
        detail = f"the body is larger than the {most_bytes} bytes allowed; give references as links"
        return cls(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large", detail)

    @classmethod
    def of(cls, error: Exception, *, charged: Charged) -> Problem:
        """What an exception is to a caller. `charged`: what can be said of money if the call broke midway."""
        match error:
            case Problem():
                return error
            case InvalidRequest():
                status, code = _of_invalid(error)
                detail = f"{error.headline}; {_NOTHING_DONE}"
                return cls(status, code, detail, errors=error.faults)
            case Conflict():
                return cls(HTTPStatus.CONFLICT, error.code, f"{error}; nothing was changed")
            case TooSoon():
                detail = f"{error}; nothing was done"
                return cls(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "rate_limited",
                    detail,
                    retryable=True,
                    retry_after_seconds=error.seconds,
                )
            case KeyRevoked():
                detail = "this key was revoked or has expired; nothing was done and nothing shown"
                return cls(HTTPStatus.UNAUTHORIZED, "unauthenticated", detail)
            case StaleJob():
                detail = "the job changed in the same moment, again and again"
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retryable=True, charged=charged)
            case BudgetExceeded():
                detail = f"{error}; {_NOTHING_DONE}"
                return cls(
                    HTTPStatus.PAYMENT_REQUIRED,
                    FailureCode.BUDGET_EXCEEDED,
                    detail,
                    retryable=True,
                    retry_after_seconds=None,
                )
            case TooManyWaits():
                detail = (
                    f"{error}; nothing was done and nothing charged. Send the call without Prefer: wait, or once one "
                    "of them has its answer"
                )
                return cls(HTTPStatus.TOO_MANY_REQUESTS, "too_many_waits", detail, retryable=True)
            case StorageFailed(unreadable=str()):
                detail = "a record that this needs can't be read, which only the operator can repair"
                return cls(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, charged=charged)
            case Unavailable():
                detail = "a service behind us did not answer"
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, retryable=True, charged=charged)
            case _:
                detail = "something went wrong on our side; the request id finds it in our log"
                return cls(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, retryable=True, charged=charged)


def _of_invalid(error: InvalidRequest) -> tuple[HTTPStatus, str]:
    match error:
        case MalformedDocument():
            return HTTPStatus.BAD_REQUEST, "malformed_body"
        case UnsupportedMedia():
            return HTTPStatus.UNPROCESSABLE_ENTITY, FailureCode.UNSUPPORTED_MEDIA
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input"


def existing(found: Found | None, what: str) -> Found:
    """What was found. Raises a `Problem` (404) where there is no such thing, or it is another tenant's."""
    if found is None:
        raise Problem.not_found(what)
    return found
