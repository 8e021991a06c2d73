"""AWS Secrets Manager, through powertools' cache: the only place where secrets enter."""

from __future__ import annotations

from functools import cache

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from heliograph.adapters import aws
from heliograph.domain.errors import StorageFailed

# How long a changed or revoked secret may still be in use.
CACHE_SECONDS = 60


@cache
def _store() -> parameters.SecretsProvider:
    return parameters.SecretsProvider(boto_config=aws.CONFIG)


def read_secret(secret_arn: str) -> str:
    """The secret's text. Raises `StorageFailed` where it can't be read or was never set; never shows any of it."""
    try:
        secret = _store().get(secret_arn, max_age=CACHE_SECONDS)
    except (GetParameterError, TransformParameterError) as error:
        raise StorageFailed("the secret can't be read; was its value ever set?") from error
    text = (secret.decode() if isinstance(secret, bytes) else str(secret)).strip()
    if not text:
        raise StorageFailed("the secret is empty: its value was never set")
    return text
