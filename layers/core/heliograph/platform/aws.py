"""Clients of AWS, all from one boto3 session of the process. Each is made when it is first asked for."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient

# All that the layer's SDK knows: the build takes away the rest (layers/core/trim.py reads it here).
OPERATIONS: Final = {
    "dynamodb": (
        "BatchGetItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactWriteItems",
        "UpdateItem",
    ),
    "events": ("PutEvents",),
    "s3": ("CopyObject", "GetObject", "HeadObject", "PutObject"),
    "secretsmanager": ("GetSecretValue",),
    "stepfunctions": ("GetExecutionHistory", "SendTaskSuccess", "StartExecution"),
}
# The one place for retries of AWS calls.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=2, read_timeout=5)
# Jobs of one tenant are booked on the same pages: in a burst, transactions meet.
_CONFLICT_TRIES = 12
_CONFLICT_SECONDS = 0.05
# A checksum where an operation needs one and where we give one; not one more of botocore's choosing.
_S3_CONFIG = CONFIG.merge(
    Config(
        read_timeout=20,
        signature_version="s3v4",
        # Presigned links name the bucket's own region: the global host redirects for a new bucket, and a signature
        # does not survive that. (An endpoint that is an address keeps its path style.)
        # A body is not hashed once more for its signature: what is signed is its checksum, which S3 compares.
        s3={"addressing_style": "virtual", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
)


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def s3() -> S3Client:
    """S3, signing with version 4 (presigned links of older kinds can't be bound to a region)."""
    return _session().client("s3", config=_S3_CONFIG)


@cache
def dynamodb() -> DynamoDBClient:
    """DynamoDB, whose writes are repeated where a transaction has the same item in hand."""
    client = _session().client("dynamodb", config=CONFIG)
    for write in ("TransactWriteItems", "PutItem", "UpdateItem"):
        client.meta.events.register(f"needs-retry.dynamodb.{write}", _after_a_conflict)  # type: ignore[arg-type]
    return client


def _after_a_conflict(response: Any, attempts: int, **_: Any) -> float | None:
    """Seconds until botocore repeats a write; of its own accord it doesn't. (What met a transaction wrote nothing.)"""
    if response is None or attempts > _CONFLICT_TRIES:
        return None
    reasons = response[1].get("CancellationReasons", [])
    codes = {reason.get("Code") for reason in reasons} - {"None"} or {response[1].get("Error", {}).get("Code")}
    met = codes in ({"TransactionConflict"}, {"TransactionConflictException"})
    return random.uniform(0, _CONFLICT_SECONDS * attempts) if met else None  # noqa: S311


@cache
def events() -> EventBridgeClient:
    """EventBridge."""
    return _session().client("events", config=CONFIG)


@cache
def step_functions() -> SFNClient:
    """Step Functions."""
    return _session().client("stepfunctions", config=CONFIG)


@cache
def secrets_manager() -> SecretsManagerClient:
    """Secrets Manager."""
    return _session().client("secretsmanager", config=CONFIG)
