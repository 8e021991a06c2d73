"""An authorized call of the API, as API Gateway hands it to a function."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller, Scope
from heliograph.api.problems import Problem
from heliograph.intake.recent_calls import IncomingCall
from heliograph.jobs.request import MAX_BODY_BYTES, read_json_object

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent


# API Gateway times out after 29 s (its default), and submitting takes some of them.
MAX_WAIT_SECONDS = 25
_SECONDS = re.compile(r"[0-9]{1,9}")


def authorizer_context(caller: Caller) -> dict[str, str]:
    """The caller as context of the authorizer's answer: API Gateway takes strings and numbers only."""
    fields = caller.model_dump(mode="json", exclude_none=True, exclude={"scopes"})
    return {**{name: str(value) for name, value in fields.items()}, "scopes": " ".join(sorted(caller.scopes))}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def repeat_number(header: str) -> int:
    """Number of the client's retry, from the header `x-stainless-retry-count`; 0 if it gives none."""
    return int(header) if header.isascii() and header.isdecimal() and len(header) <= len("1000") else 0


def _all(event: APIGatewayProxyEvent, header: str) -> list[str]:
    """Every value of a header that may be sent more than once."""
    return event.multi_value_headers.get(header) or [event.headers.get(header, "")]


def preferred_wait(header: str) -> int | None:
    """Seconds of `Prefer: wait=N` (RFC 7240), capped at what the gateway allows; `None` if it names none.

    Malformed preferences are ignored, as the specification demands.
    """
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        seconds = value.strip().strip('"')
        if name.strip().lower() == "wait" and _SECONDS.fullmatch(seconds):
            return min(int(seconds), MAX_WAIT_SECONDS)
    return None


@dataclass(frozen=True, slots=True)
class ApiCall:
    """An authorized call of the API."""

    caller: Caller
    request_id: str
    body: bytes
    idempotency_key: str | None
    received_at: datetime
    wait_seconds: int | None = None
    """Preferred wait for the job's end."""
    repeat: int = 0
    """Number of the client's retry, as clients that number them give it."""

    @property
    def arrival(self) -> IncomingCall:
        """The call as it is compared with equal calls."""
        return IncomingCall(call_id=self.request_id, received_at=self.received_at, repeat=self.repeat)

    @property
    def document(self) -> dict[str, Any]:
        """The body. Raises `MalformedDocument` if it is no JSON object."""
        return read_json_object(self.body, what="the body")

    @staticmethod
    def caller_of(event: APIGatewayProxyEvent) -> Caller:
        """The caller, from the authorizer's context."""
        context: dict[str, str] = event["requestContext"]["authorizer"]
        return Caller(
            tenant=context["tenant"],
            scopes=frozenset(Scope(scope) for scope in context.get("scopes", "").split()),
            key_id=context.get("key_id"),
            daily_budget_microusd=_number(context.get("daily_budget_microusd")),
            requests_per_minute=_number(context.get("requests_per_minute")),
        )

    @classmethod
    def read(cls, event: APIGatewayProxyEvent) -> ApiCall:
        """The call in API Gateway's event. Raises a `Problem` (413) if the body is too large."""
        context: dict[str, Any] = event["requestContext"]
        text = event.body or ""
        body = base64.b64decode(text) if event.is_base64_encoded else text.encode(errors="surrogatepass")
        if len(body) > MAX_BODY_BYTES:
            raise Problem.payload_too_large(MAX_BODY_BYTES)
        return cls(
            caller=cls.caller_of(event),
            request_id=context["requestId"],
            body=body,
            idempotency_key=event.headers.get("Idempotency-Key"),
            received_at=datetime.fromtimestamp(context["requestTimeEpoch"] / 1000, UTC),
            repeat=repeat_number(event.headers.get("x-stainless-retry-count", "")),
            wait_seconds=preferred_wait(",".join(_all(event, "Prefer"))),
        )
