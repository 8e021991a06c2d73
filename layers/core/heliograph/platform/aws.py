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

# All operations that the layer's SDK knows: the build removes the others (layers/core/trim.py reads this).
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
# Jobs of one tenant are booked on the same accounts: in a burst, transactions conflict.
_CONFLICT_TRIES = 12
_CONFLICT_SECONDS = 0.05
# Checksums only where an operation requires one or a caller gives one, and none that botocore adds.
_S3_CONFIG = CONFIG.merge(
    Config(
        read_timeout=20,
        signature_version="s3v4",
        # Presigned links name the bucket's Region: the global host redirects for a new bucket, which breaks the
        # signature. (An endpoint that is an IP address keeps path style.)
        # Bodies are not hashed for the signature: their checksum is signed, and S3 compares it.
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
    """S3 with signature version 4: presigned links of older versions are not bound to a Region."""
    return _session().client("s3", config=_S3_CONFIG)


@cache
def dynamodb() -> DynamoDBClient:
    """DynamoDB, whose writes are retried when they conflict with a transaction."""
    client = _session().client("dynamodb", config=CONFIG)
    for write in ("TransactWriteItems", "PutItem", "UpdateItem"):
        client.meta.events.register(f"needs-retry.dynamodb.{write}", _conflict_delay)  # type: ignore[arg-type]
    return client


def _conflict_delay(response: Any, attempts: int, **_: Any) -> float | None:
    """Seconds until botocore retries a conflicting write, which it does not by itself. (Such a write wrote nothing.)"""
    if response is None or attempts > _CONFLICT_TRIES:
        return None
    reasons = response[1].get("CancellationReasons", [])
    codes = {reason.get("Code") for reason in reasons} - {"None"} or {response[1].get("Error", {}).get("Code")}
    is_conflict = codes in ({"TransactionConflict"}, {"TransactionConflictException"})
    return random.uniform(0, _CONFLICT_SECONDS * attempts) if is_conflict else None  # noqa: S311


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
