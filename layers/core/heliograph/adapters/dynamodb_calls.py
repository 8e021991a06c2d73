"""What every use of Amazon DynamoDB has in common: its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.domain.errors import StorageFailed

CONDITION_FAILED = "ConditionalCheckFailedException"


def code_of(error: ClientError) -> str:
    """The error's code."""
    return error.response.get("Error", {}).get("Code", "")


def failed_conditions(error: ClientError) -> list[int]:
    """Which items of a cancelled transaction (by index) had a condition that did not hold."""
    reasons = error.response.get("CancellationReasons", [])
    return [index for index, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Whatever AWS raises is a `StorageFailed` that names `what`."""
    try:
        yield
    except ClientError as error:
        raise StorageFailed(f"{what}: {code_of(error)}") from error
    except BotoCoreError as error:
        raise StorageFailed(f"{what}: {type(error).__name__}") from error
