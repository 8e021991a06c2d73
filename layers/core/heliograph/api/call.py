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


# The gateway gives up after 29 s (its default), and submitting takes its time as well.
MAX_WAIT_SECONDS = 25
_SECONDS = re.compile(r"[0-9]{1,9}")


def authorizer_context(caller: Caller) -> dict[str, str]:
    """What the gateway hands on of a caller: it takes texts and numbers only."""
    told = caller.model_dump(mode="json", exclude_none=True, exclude={"scopes"})
    return {**{name: str(value) for name, value in told.items()}, "scopes": " ".join(sorted(caller.scopes))}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def repeat_number(header: str) -> int:
    """Which repeat of a call the header `x-stainless-retry-count` says that this is; 0 where it says nothing."""
    return int(header) if header.isascii() and header.isdecimal() and len(header) <= len("1000") else 0


def _all(event: APIGatewayProxyEvent, header: str) -> list[str]:
    """Every value of a header that may be sent more than once."""
    return event.multi_value_headers.get(header) or [event.headers.get(header, "")]


def preferred_wait(header: str) -> int | None:
    """The seconds of `Prefer: wait=N` (RFC 7240), as many as the gateway allows at most; `None` where it says none.

    Of a preference that is no preference, the specification wants nothing but to be left alone.
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
    # How long the caller would rather wait for the job's end, in seconds.
    wait_seconds: int | None = None
    # Which repeat of a call it is, by the word of clients that number them.
    repeat: int = 0

    @property
    def arrival(self) -> IncomingCall:
        """The call, as equal ones are told apart by."""
        return IncomingCall(call_id=self.request_id, received_at=self.received_at, repeat=self.repeat)

    @property
    def document(self) -> dict[str, Any]:
        """The body, which must be a JSON object: raises `MalformedDocument` else."""
        return read_json_object(self.body, what="the body")

    @staticmethod
    def caller_of(event: APIGatewayProxyEvent) -> Caller:
        """Who calls, as `authorize` told the gateway."""
        told: dict[str, str] = event["requestContext"]["authorizer"]
        return Caller(
            tenant=told["tenant"],
            scopes=frozenset(Scope(scope) for scope in told.get("scopes", "").split()),
            key_id=told.get("key_id"),
            daily_budget_microusd=_number(told.get("daily_budget_microusd")),
            requests_per_minute=_number(told.get("requests_per_minute")),
        )

    @classmethod
    def read(cls, event: APIGatewayProxyEvent) -> ApiCall:
        """The call in API Gateway's event. Raises `Problem` for a body that is too large to look at."""
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
