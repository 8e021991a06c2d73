"""AWS Secrets Manager: the only place where secrets enter."""

from __future__ import annotations

from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

# How long a changed or revoked secret may still be in use.
CACHE_SECONDS = 60
# What was read, and until when it counts. Not powertools' cache: that brings boto3, and a session of its own.
_kept: dict[str, tuple[str, float]] = {}


def read_secret(secret_arn: str) -> str:
    """The secret's text. Raises `StorageFailed` where it can't be read or was never set; never shows any of it."""
    text, fresh_until = _kept.get(secret_arn, ("", 0.0))
    if monotonic() < fresh_until:
        return text
    text = _read(secret_arn).strip()
    if not text:
        raise StorageFailed("the secret is empty: its value was never set")
    _kept[secret_arn] = text, monotonic() + CACHE_SECONDS
    return text


def forget_secrets() -> None:
    """The next ones are read anew."""
    _kept.clear()


def _read(secret_arn: str) -> str:
    try:
        answer = aws.secrets_manager().get_secret_value(SecretId=secret_arn)
        return answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    except (ClientError, BotoCoreError, KeyError, UnicodeDecodeError) as error:
        raise StorageFailed("the secret can't be read; was its value ever set?") from error
