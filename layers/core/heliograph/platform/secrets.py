"""AWS Secrets Manager, the only source of secrets."""

from __future__ import annotations

from time import monotonic

from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws
from heliograph.platform.aws_errors import Errors

ERRORS = Errors(
    failure=StorageFailed,
    answers=frozenset(),
    meanings={
        "DecryptionFailure": "its KMS key can't decrypt it",
        "InternalServiceError": "Secrets Manager failed",
        "InvalidParameterException": "there can be no secret of that name",
        "InvalidRequestException": "it is to be deleted",
        "ResourceNotFoundException": "there is no such secret, or its value was never set",
    },
)
# How long a changed or revoked secret may still be in use.
CACHE_SECONDS = 60
# What was read, and until when it counts. (powertools' own cache makes a session of its own.)
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
    with ERRORS.translated("the secret can't be read"):
        answer = aws.secrets_manager().get_secret_value(SecretId=secret_arn)
    try:
        return answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    except (KeyError, UnicodeDecodeError):
        # The error would name a byte of it.
        raise StorageFailed("the secret can't be read: its value is no text") from None
