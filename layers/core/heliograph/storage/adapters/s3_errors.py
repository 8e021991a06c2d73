"""What S3's errors mean for an object that is read: it is missing, it is refused for good, or a later try may do.

S3 hands on what KMS says of the object's key, with the prefix `KMS.`. The codes are those of the Amazon S3
API Reference ("Error responses") and of the AWS KMS API Reference ("Decrypt", "Errors").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import StorageFailed
from heliograph.platform.aws_errors import Errors, code_of

if TYPE_CHECKING:
    from heliograph.storage.references import ObjectLocation

# A key or version id that can't be is as absent as one that isn't. `MethodNotAllowed`: a delete marker.
MISSING = frozenset(
    {"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed", "405", "InvalidArgument", "KeyTooLongError"}
)
# A conditional write whose condition does not hold, or that met another write.
CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "NoSuchKey"})
# A copy says the second, of what a GET says the first.
ARCHIVED = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"})
# Only an empty object has no first byte.
EMPTY = "InvalidRange"
ERRORS = Errors(
    failure=StorageFailed,
    answers=MISSING | CHANGED | ARCHIVED | {EMPTY},
    meanings={
        "AccessDenied": "the bucket's policy, the object's KMS key or the function's role denies it",
        "EncryptionTypeMismatch": "the object that is there is encrypted in another way",
        "InvalidRequest": "S3 does not take the request as it is",
        "InvalidWriteOffset": "the object that is there has another size",
        "NoSuchBucket": "there is no such bucket",
        "SlowDown": "the bucket is throttled",
        "TooManyParts": "the object that is there has too many parts",
    },
)
# Said of the call, the bucket, the account or the moment, and not of the object.
_PASSING = frozenset(
    {
        "AccountProblem",
        "AllAccessDisabled",
        "BadDigest",
        "DependencyTimeoutException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteBody",
        "InternalError",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "NoSuchBucket",
        "NotSignedUp",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TokenRefreshRequired",
        "TooManyRequestsException",
    }
)
_PASSING_STATUSES = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_DENIED = "S3 denies access to it: allow it in the bucket's policy, and in the policy of its KMS key if it has one"
_OWN_KEY = "most likely it is encrypted with a key that only its owner has (SSE-C): upload it without that"
_WRONG_KEY = "its KMS key can't be used as it is ({code}): enable or replace the key, or upload without it"
_REASONS = {
    "InvalidObjectState": "is archived{archive}: restore it, or upload it in a storage class that can be read at once",
    "InvalidRequest": _OWN_KEY,
    "400": _OWN_KEY,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "403": _DENIED,
    "DisabledException": _WRONG_KEY,
    "InvalidGrantTokenException": _WRONG_KEY,
    "InvalidKeyUsageException": _WRONG_KEY,
    "KMSInvalidStateException": _WRONG_KEY,
    "NotFoundException": _WRONG_KEY,
}


@contextmanager
def translated(location: ObjectLocation, *, reading: bool = True) -> Iterator[None]:
    """S3's errors as ours. What can't be written is never given up: it may be paid for."""
    name = f"s3://{location.bucket}/{location.key}"
    try:
        yield
    except ClientError as error:
        reason = refusal_of(error) if reading else None
        refusal = reason and f"{location.key} can't be read: {reason}"
        raise StorageFailed(f"{name}: {ERRORS.described(code_of(error))}", refusal=refusal) from error
    except (BotoCoreError, urllib3.exceptions.HTTPError) as error:
        # The SDK lets some errors of the connection through that come while a body is read.
        raise StorageFailed(f"{name}: {type(error).__name__}") from error


def refusal_of(error: ClientError) -> str | None:
    """Why the object can't be read, and what to do about it; `None` where a later try may do, or nobody can tell."""
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    plain = code.removeprefix("KMS.")
    if plain in MISSING and plain == code:
        return None
    if plain in _PASSING or status in _PASSING_STATUSES:
        return None
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if plain == "InvalidObjectState":
        archive = _said(error, "StorageClass") or _said(error, "AccessTier")
        return f"S3 refuses it ({code}): it {_REASONS[plain].format(archive=f' in {archive}' if archive else '')}"
    reason = _REASONS.get(plain)
    told = f": {reason.format(code=code)}" if reason else ": upload it again as an object that can be read plainly"
    return f"S3 refuses it ({code or status}){told}"


def _said(error: ClientError, name: str) -> str:
    # Of a modeled error, botocore puts the fields beside `Error`.
    for part in (error.response.get("Error", {}), error.response):
        if isinstance(value := dict(part).get(name), str):
            return value
    return ""
