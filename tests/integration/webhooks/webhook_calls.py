"""Calls of the webhooks' API, and events on their way to it."""

from __future__ import annotations

import json
from typing import Any

from heliograph.access.keys import Caller

from tests.examples import arriving
from tests.integration.api_calls import OWNER, Answer, call
from tests.integration.lambdas import started

ENDPOINTS, DELIVERIES = "/v1/webhook-endpoints", "/v1/deliveries"
TOKEN = "a-token-that-opens-the-receiver"
# Which function answers, by the last part of the path.
FUNCTIONS = {
    "secret": "manage_webhook_secrets",
    "rotate-secret": "manage_webhook_secrets",
    "test": "manage_webhook_deliveries",
    "recover": "manage_webhook_deliveries",
    "replay": "manage_webhook_deliveries",
}


def ask(method: str, path: str, body: Any = None, *, caller: Caller = OWNER) -> Answer:
    others = "manage_webhook_deliveries" if path.startswith(DELIVERIES) else "manage_webhook_endpoints"
    name = FUNCTIONS.get(path.rpartition("/")[2], others)
    return call(started(name), method, path, body, caller=caller)


def register(origin: str = "http://127.0.0.1:9", **asked: Any) -> dict[str, Any]:
    status, made, headers = ask("POST", ENDPOINTS, {"url": f"{origin}/in?token={TOKEN}", **asked})
    assert status == 201, made
    assert headers["Cache-Control"] == ["no-store"]
    found: dict[str, Any] = made
    return found


def announce(*events: Any) -> Any:
    """The events, as the queue hands them to the function; the messages that it gives back."""
    records = [
        {
            "messageId": f"m{number}",
            "receiptHandle": "r",
            "body": event if isinstance(event, str) else json.dumps(arriving(event)),
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:q",
            "awsRegion": "eu-central-1",
        }
        for number, event in enumerate(events)
    ]
    return [
        failed["itemIdentifier"] for failed in started("fan_out_webhooks")({"Records": records})["batchItemFailures"]
    ]
