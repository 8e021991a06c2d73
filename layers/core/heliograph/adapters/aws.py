"""Clients of AWS: one session for all of them, made when first asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

# The one place for retries of AWS calls.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=2, read_timeout=5)
# A checksum where an operation needs one and where we give one; not one more of botocore's choosing.
_S3_CONFIG = CONFIG.merge(
    Config(
        read_timeout=20,
        signature_version="s3v4",
        # Presigned links name the bucket's own region: the global host redirects for a new bucket, and a signature
        # does not survive that. (An endpoint that is an address keeps its path style.)
        s3={"addressing_style": "virtual"},
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
    """DynamoDB."""
    return _session().client("dynamodb", config=CONFIG)


@cache
def events() -> EventBridgeClient:
    """EventBridge."""
    return _session().client("events", config=CONFIG)


@cache
def step_functions() -> SFNClient:
    """Step Functions."""
    return _session().client("stepfunctions", config=CONFIG)
