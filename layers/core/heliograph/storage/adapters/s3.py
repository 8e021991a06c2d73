"""Amazon S3 as an `ObjectStore`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from heliograph.kernel.errors import Fault, InvalidRequest, ObjectChanged
from heliograph.kernel.media_types import SNIFF_BYTES
from heliograph.platform.aws_errors import code_of
from heliograph.storage.adapters.s3_errors import ARCHIVED, CHANGED, EMPTY, MISSING, translated
from heliograph.storage.objects import (
    Copied,
    CopyOutcome,
    Document,
    NotCopied,
    ObjectFacts,
    ObjectSummary,
    Replacing,
    SignedForm,
)
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef, HeadObjectOutputTypeDef

_ETAG_OF_NOTHING = '"d41d8cd98f00b204e9800998ecf8427e"'
# What a HEAD answers where a GET would say why: it has no body.
_UNSAID = frozenset({400, 403})

# How much of a long object is in memory.
_PIECE_BYTES = 256 * 1024


class _Which(TypedDict, total=False):
    Bucket: str
    Key: str
    VersionId: str


class S3ObjectStore:
    """Objects in S3. To tell a missing object from a forbidden one, the caller's role needs `s3:ListBucket`."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def look(self, location: ObjectLocation, *, head_bytes: int = SNIFF_BYTES) -> ObjectFacts | None:
        """One ranged GET instead of HEAD and GET: metadata and first bytes together."""
        with translated(location):
            try:
                answer = self._client.get_object(**_which(location), Range=f"bytes=0-{head_bytes - 1}")
                head = answer["Body"].read(head_bytes)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                if code_of(error) == EMPTY:
                    return ObjectFacts(0, None, {}, b"", _ETAG_OF_NOTHING)
                raise
        _, _, total = answer.get("ContentRange", "").rpartition("/")
        size_bytes = int(total) if total.isdecimal() else answer["ContentLength"]
        return ObjectFacts(size_bytes, _version_id(answer.get("VersionId")), answer["Metadata"], head, answer["ETag"])

    def summary(self, location: ObjectLocation) -> ObjectSummary | None:
        """One HEAD, with the checksums that S3 keeps of the object."""
        with translated(location):
            try:
                answer = self._client.head_object(**_which(location), ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _UNSAID:
                    raise
                answer = None
        if answer is None:
            # Or the object needs a right or a key for its checksums alone.
            facts = self.look(location)
            if facts is None:
                return None
            return ObjectSummary(facts.size_bytes, facts.version_id, facts.metadata, None, None)
        return ObjectSummary(
            answer["ContentLength"],
            _version_id(answer.get("VersionId")),
            answer["Metadata"],
            _sha256_of(answer),
            _fingerprint_of(location, answer),
        )

    def copy(
        self,
        source: ObjectLocation,
        target: ObjectLocation,
        *,
        content_type: str,
        sha256: str | None,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> CopyOutcome:
        """One HEAD and one CopyObject, of the very object that was looked at. Tags stay behind.

        One without a SHA-256 of S3's, as whoever restores a bucket may put it, is read before.
        """
        with translated(source, reading=False):
            found: HeadObjectOutputTypeDef | None = None
            try:
                found = self._client.head_object(**_which(source), ChecksumMode="ENABLED")
                if sha256 and (_sha256_of(found) or self._read_sha256(source)) != sha256:
                    return NotCopied("its bytes are others")
                answer = self._client.copy_object(
                    Bucket=target.bucket,
                    Key=target.key,
                    CopySource=_source(source),
                    CopySourceIfMatch=found["ETag"],
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    Metadata=metadata,
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",
                    **_condition(replacing),
                )
            except ClientError as error:
                # S3 does not say whether the source or the target is another by now.
                if found and replacing and code_of(error) in CHANGED and self._is_still(source, found):
                    raise ObjectChanged(f"s3://{target.bucket}/{target.key}: {code_of(error)}") from error
                if code_of(error) in MISSING | {"PreconditionFailed"}:
                    return NotCopied("it is gone")
                if code_of(error) in ARCHIVED:
                    return NotCopied("it is archived")
                raise
        # Stores that are only like S3 may compute none of a copy; what was copied was looked at.
        if sha256 and answer["CopyObjectResult"].get("ChecksumSHA256", _base64(sha256)) != _base64(sha256):
            return NotCopied("its bytes are others")
        return Copied(_version_id(answer.get("VersionId")))

    def _is_still(self, location: ObjectLocation, found: HeadObjectOutputTypeDef) -> bool:
        facts = self.look(location)
        return facts is not None and facts.etag == found["ETag"]

    def _read_sha256(self, location: ObjectLocation) -> str:
        digest = hashlib.sha256()
        with self.rest(location, start=0) as pieces:
            for piece in pieces:
                digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def rest(self, location: ObjectLocation, *, start: int) -> Iterator[Iterator[bytes]]:
        """One ranged GET. The connection is given up where not all of it is read."""
        with translated(location):
            try:
                answer = self._client.get_object(**_which(location), Range=f"bytes={start}-")
            except ClientError as error:
                if code_of(error) not in MISSING:
                    raise
                yield iter(())
                return
            with closing(answer["Body"]) as body:
                if "ContentRange" not in answer:
                    # A server may send all of it, whatever range was asked for (RFC 9110, 14.2).
                    body.read(start)
                yield iter(lambda: body.read(_PIECE_BYTES), b"")

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        """Reads at most one byte more than allowed, whatever the object's size."""
        with translated(location):
            try:
                answer = self._client.get_object(**_which(location))
                body = answer["Body"].read(max_bytes + 1)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
        if len(body) > max_bytes:
            raise InvalidRequest(Fault("", f"{location.key} is larger than the {max_bytes} bytes allowed"))
        return Document(body, _version_id(answer.get("VersionId")) or answer["ETag"].strip('"'))

    def presigned_get(self, location: ObjectLocation, *, seconds: int, unencoded: bool = False) -> str:
        """Signed here, without a request. Dies with the role's session if that is sooner."""
        which: dict[str, Any] = {**_which(location)}
        if unencoded:
            # S3 answers with this instead of what the object was stored with.
            which["ResponseContentEncoding"] = "identity"
        return self._client.generate_presigned_url("get_object", Params=which, ExpiresIn=seconds)

    def presigned_post(
        self, location: ObjectLocation, *, content_type: str, size_bytes: int, seconds: int
    ) -> SignedForm:
        """Signed here, without a request; the signer's role needs `s3:PutObject`."""
        fields = {"Content-Type": content_type}
        form = self._client.generate_presigned_post(
            location.bucket,
            location.key,
            Fields=dict(fields),
            Conditions=[*({name: value} for name, value in fields.items()), ["content-length-range", 1, size_bytes]],
            ExpiresIn=seconds,
        )
        return SignedForm(form["url"], form["fields"])

    def origin_of_links(self, bucket: str) -> str:
        """Where every signed link of the bucket leads: scheme, host and port. Worked out here, without a request."""
        parts = urlsplit(self.presigned_get(ObjectLocation(bucket, "any"), seconds=1))
        return f"{parts.scheme}://{parts.netloc}"

    def put(
        self,
        location: ObjectLocation,
        body: BinaryIO | bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> str | None:
        """One PUT: S3 compares the checksum and keeps the whole object or nothing.

        A condition needs `s3:GetObject`.
        """
        with translated(location, reading=False), _conditional(location, replacing):
            answer = self._client.put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=body,
                ContentType=content_type,
                ChecksumSHA256=_base64(sha256),
                Metadata=metadata,
                **_condition(replacing),
            )
        return _version_id(answer.get("VersionId"))


class _Condition(TypedDict, total=False):
    IfMatch: str
    IfNoneMatch: str


def _condition(replacing: Replacing | None) -> _Condition:
    if replacing is None:
        return {}
    return {"IfNoneMatch": "*"} if replacing.etag is None else {"IfMatch": replacing.etag}


@contextmanager
def _conditional(location: ObjectLocation, replacing: Replacing | None) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if replacing and code_of(error) in CHANGED:
            raise ObjectChanged(f"s3://{location.bucket}/{location.key}: {code_of(error)}") from error
        raise


def _which(location: ObjectLocation) -> _Which:
    which: _Which = {"Bucket": location.bucket, "Key": location.key}
    if location.version_id:
        which["VersionId"] = location.version_id
    return which


def _source(location: ObjectLocation) -> CopySourceTypeDef:
    source: CopySourceTypeDef = {"Bucket": location.bucket, "Key": location.key}
    if location.version_id:
        source["VersionId"] = location.version_id
    return source


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _sha256_of(answer: HeadObjectOutputTypeDef) -> str | None:
    """In hex. That of a multipart upload is of its parts' checksums (`COMPOSITE`, with the number of parts): none."""
    checksum = answer.get("ChecksumSHA256", "")
    if not checksum or "-" in checksum or answer.get("ChecksumType") == "COMPOSITE":
        return None
    return base64.b64decode(checksum).hex()


def _fingerprint_of(location: ObjectLocation, answer: HeadObjectOutputTypeDef) -> str | None:
    told: Mapping[str, object] = dict(answer)
    # Their names are what S3 adds to.
    checksums = sorted(f"{name}={told[name]}" for name in told if name.startswith("Checksum") and told[name])
    if not any(not checksum.startswith("ChecksumType") for checksum in checksums):
        return None
    facts = (location.bucket, location.key, str(answer["ContentLength"]), answer["ETag"], *checksums)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _version_id(version_id: str | None) -> str | None:
    return None if version_id == "null" else version_id
