"""Errors of commands in one sentence: what is wrong, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

NO_REGION = (
    "No AWS Region is chosen. Name it with REGION=… (or --region …), or set AWS_DEFAULT_REGION or the region of your "
    "AWS profile."
)
_NO_CREDENTIALS = (
    "There are no AWS credentials. Sign in (aws configure, aws sso login) or set AWS_PROFILE; "
    "`aws sts get-caller-identity` shows who you are."
)
_EXPIRED = "The AWS credentials have expired. Sign in again (aws sso login, or fetch new ones), and repeat the command."
_UNKNOWN_CREDENTIALS = (
    "AWS does not accept these credentials in {region}. Either they are wrong or revoked, or the Region is not enabled "
    "for the account; `aws sts get-caller-identity` shows which of the two."
)
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_CODES = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotSignedUp",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedAccess", "UnauthorizedOperation"}
)
_INTERRUPTED = 130


class Refused(Exception):
    """The command can't continue; the message is the printed sentence."""


def is_denied(error: ClientError) -> bool:
    """Whether the credentials lack the right."""
    return _code(error) in _DENIED_CODES


def sentence_of(error: BaseException, *, region: str | None = None) -> str:
    """The sentence for an error of the SDK."""
    match error:
        case Refused():
            return str(error)
        case NoRegionError():
            return NO_REGION
        case NoCredentialsError():
            return _NO_CREDENTIALS
        case ProfileNotFound():
            return f"{error}. Set AWS_PROFILE to one that `aws configure list-profiles` lists."
        case EndpointConnectionError() | ConnectTimeoutError() | ReadTimeoutError():
            return f"AWS does not answer ({error}). Check the network, and that {region} is a Region of AWS (REGION=…)."
        case SSLError():
            return (
                f"The connection to AWS is not trusted ({error}). If AWS_CA_BUNDLE is set, it must name a file on this "
                "machine that holds the right authorities."
            )
        case ClientError():
            return _refused_by_aws(error, region)
        case SSOError() | LoginError() | TokenRetrievalError() | CredentialRetrievalError() | PartialCredentialsError():
            return f"The AWS credentials can't be obtained ({error}). Sign in again, or set AWS_PROFILE."
        case _:
            return f"AWS failed ({error}). Try again."


@contextmanager
def one_sentence(*, region: str | None = None) -> Iterator[None]:
    """Ends the process with one sentence and a non-zero status for errors in the block."""
    try:
        yield
    except (Refused, BotoCoreError, ClientError) as error:
        sys.exit(sentence_of(error, region=region))
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _refused_by_aws(error: ClientError, region: str | None) -> str:
    code = _code(error)
    said = error.response.get("Error", {}).get("Message") or code
    if code in _EXPIRED_CODES:
        return _EXPIRED
    if code in _UNKNOWN_CODES:
        return _UNKNOWN_CREDENTIALS.format(region=region or "this Region")
    if code in _DENIED_CODES:
        return f"Your AWS credentials lack a right ({said}). Use an identity that has it."
    return f"AWS refused {error.operation_name} ({code}: {said})."


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
