"""Amazon S3 as an `ObjectStore`."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypedDict
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.domain.errors import Fault, InvalidRequest, StorageFailed
from heliograph.domain.media import SNIFF_BYTES
from heliograph.domain.objects import Document, ObjectFacts, SignedForm
from heliograph.domain.references import ObjectLocation

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A key or version id that can't be is as absent as one that isn't.
_MISSING = frozenset(
    {"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed", "InvalidArgument", "KeyTooLongError"}
)

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
        with _translated(location):
            try:
                answer = self._client.get_object(**_which(location), Range=f"bytes=0-{head_bytes - 1}")
                head = answer["Body"].read(head_bytes)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                if _code(error) == "InvalidRange":  # only an empty object has no first byte
                    return ObjectFacts(0, None, {}, b"")
                raise
        _, _, total = answer.get("ContentRange", "").rpartition("/")
        size_bytes = int(total) if total.isdecimal() else answer["ContentLength"]
        return ObjectFacts(size_bytes, _version_id(answer.get("VersionId")), answer["Metadata"], head)

    @contextmanager
    def rest(self, location: ObjectLocation, *, start: int) -> Iterator[Iterator[bytes]]:
        """One ranged GET. The connection is given up where not all of it is read."""
        with _translated(location):
            try:
                body = self._client.get_object(**_which(location), Range=f"bytes={start}-")["Body"]
            except ClientError as error:
                if _code(error) not in _MISSING:
                    raise
                yield iter(())
                return
            with closing(body):
                yield iter(lambda: body.read(_PIECE_BYTES), b"")

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        """Reads at most one byte more than allowed, whatever the object's size."""
        with _translated(location):
            try:
                answer = self._client.get_object(**_which(location))
                body = answer["Body"].read(max_bytes + 1)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        if len(body) > max_bytes:
            raise InvalidRequest(Fault("", f"{location.key} is larger than the {max_bytes} bytes allowed"))
        return Document(body, _version_id(answer.get("VersionId")) or answer["ETag"].strip('"'))

    def presigned_get(self, location: ObjectLocation, *, seconds: int) -> str:
        """Signed here, without a request. Dies with the role's session if that is sooner."""
        return self._client.generate_presigned_url("get_object", Params=dict(_which(location)), ExpiresIn=seconds)

    def presigned_post(
        self, location: ObjectLocation, *, content_type: str, size_bytes: int, tag: tuple[str, str], seconds: int
    ) -> SignedForm:
        """Signed here, without a request; the signer's role needs `s3:PutObject` and `s3:PutObjectTagging`."""
        name, value = tag
        tagging = f"<Tagging><TagSet><Tag><Key>{name}</Key><Value>{value}</Value></Tag></TagSet></Tagging>"
        fields = {"Content-Type": content_type, "tagging": tagging}
        form = self._client.generate_presigned_post(
            location.bucket,
            location.key,
            Fields=dict(fields),
            Conditions=[*({name: value} for name, value in fields.items()), ["content-length-range", 1, size_bytes]],
            ExpiresIn=seconds,
        )
        return SignedForm(form["url"], form["fields"])

    def untag(self, location: ObjectLocation) -> None:
        """One request."""
        with _translated(location):
            self._client.delete_object_tagging(**_which(location))

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
    ) -> str | None:
        """One PUT: S3 compares the checksum and keeps the whole object or nothing."""
        with _translated(location):
            answer = self._client.put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=body,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                Metadata=metadata,
            )
        return _version_id(answer.get("VersionId"))


def _which(location: ObjectLocation) -> _Which:
    which: _Which = {"Bucket": location.bucket, "Key": location.key}
    if location.version_id:
        which["VersionId"] = location.version_id
    return which


def _version_id(version_id: str | None) -> str | None:
    return None if version_id == "null" else version_id


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def _translated(location: ObjectLocation) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise StorageFailed(f"s3://{location.bucket}/{location.key}: {_code(error)}") from error
    except BotoCoreError as error:
        raise StorageFailed(f"s3://{location.bucket}/{location.key}: {type(error).__name__}") from error
