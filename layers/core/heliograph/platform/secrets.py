"""AWS Secrets Manager, the only source of secrets."""

from __future__ import annotations

from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

# A changed or revoked secret may be in use for this long.
CACHE_SECONDS = 60
# What was read, and until when it counts. Not powertools' cache: that brings boto3, and a session of its own.
_cache: dict[str, tuple[str, float]] = {}


def read_secret(secret_arn: str) -> str:
    """The secret's text. Raises `StorageFailed`, without any of it, if it can't be read or was never set."""
    text, fresh_until = _cache.get(secret_arn, ("", 0.0))
    if monotonic() < fresh_until:
        return text
    text = _read(secret_arn).strip()
    if not text:
        raise StorageFailed("the secret is empty: its value was never set")
    _cache[secret_arn] = text, monotonic() + CACHE_SECONDS
    return text


def forget_secrets() -> None:
    """Empties the cache."""
    _cache.clear()


def _read(secret_arn: str) -> str:
    try:
        answer = aws.secrets_manager().get_secret_value(SecretId=secret_arn)
        return answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    except (ClientError, BotoCoreError, KeyError, UnicodeDecodeError) as error:
        raise StorageFailed("the secret can't be read; was its value ever set?") from error
