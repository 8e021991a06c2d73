"""AWS Secrets Manager: the only place where secrets enter."""

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
    with ERRORS.translated("the secret can't be read"):
        answer = aws.secrets_manager().get_secret_value(SecretId=secret_arn)
    try:
        return answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode()
    except (KeyError, UnicodeDecodeError):
        # The error would name a byte of it.
        raise StorageFailed("the secret can't be read: its value is no text") from None
