"""What a provider hears that calls back."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from heliograph.runtime.problems import Problem
from heliograph.steps.hear_callback import Heard


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
