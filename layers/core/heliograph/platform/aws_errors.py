"""Errors of AWS services, translated into the drawn tree of `kernel/errors.py`: one `Errors` for each service.

A test holds each of them against the errors that the SDK's own model of the service has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import Unavailable

COMMON: Final[Mapping[str, str]] = {
    "AccessDeniedException": "the function's role may not do this",
    "ExpiredTokenException": "the role's session is over",
    "IncompleteSignature": "the request was not signed as AWS wants it",
    "InternalFailure": "the service failed",
    "InvalidClientTokenId": "AWS does not know the access key",
    "NotAuthorized": "the function's role may not do this",
    "OptInRequired": "the account has no subscription for the service",
    "RequestExpired": "the request reached AWS too late: is the clock right?",
    "ServiceUnavailable": "the service failed for a moment",
    "ThrottlingException": "the account makes too many requests",
    "UnrecognizedClientException": "AWS does not know the access key",
    "ValidationError": "the request is not one that the service takes",
    "ValidationException": "the request is not one that the service takes",
}
"""What every service may say and few models name: "Common Errors" of each service's API Reference."""


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of one AWS service."""

    failure: type[Unavailable]
    """Raised for every error that no caller expects, also for one that is in no list here."""

    answers: frozenset[str]
    """Codes that answer a call, and which its caller handles: a condition that does not hold, a name that is taken."""

    meanings: Mapping[str, str]
    """What went wrong, by the error's code. It goes into the message, and with it into the log."""

    @contextmanager
    def translated(self, about: str) -> Iterator[None]:
        """Raises `failure` for every error of the service or of the SDK; `about` says whose call it was."""
        try:
            yield
        except ClientError as error:
            raise self.failure(f"{about}: {self.described(code_of(error))}") from error
        except BotoCoreError as error:
            raise self.failure(f"{about}: {type(error).__name__}") from error

    def described(self, code: str) -> str:
        """The code, and what it means where that is known."""
        meaning = self.meanings.get(code) or COMMON.get(code)
        return f"{code} ({meaning})" if meaning else code


def code_of(error: ClientError) -> str:
    """The service's code; the HTTP status where its answer had no body."""
    return error.response.get("Error", {}).get("Code", "")
