"""S3ObjectStore against moto's S3."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
import time_machine
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from heliograph.kernel.errors import InvalidRequest, ObjectChanged, StorageFailed
from heliograph.platform import aws
from heliograph.storage.adapters.s3 import S3ObjectStore
from heliograph.storage.objects import Copied, CopyOutcome, NotCopied, Replacing, SignedForm
from heliograph.storage.references import ObjectLocation

from tests.examples import NOW
from tests.fakes.objects import InMemoryObjectStore
from tests.integration.conftest import versioned_bucket

KEY = "uploads/white-background/Schuh rot 50%+?.jpg"


@pytest.fixture
def bucket(cloud: None) -> str:
    return versioned_bucket("pictures")


@pytest.fixture
def store(cloud: None) -> S3ObjectStore:
    return S3ObjectStore(aws.s3())


def put(bucket: str, body: bytes, key: str = KEY, **metadata: str) -> ObjectLocation:
    """Returns the very version."""
    answer = aws.s3().put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    return ObjectLocation(bucket, key, answer["VersionId"])


def test_a_look_tells_size_version_metadata_and_the_first_bytes(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"0123456789abcdefGHIJ", prompt="a red shoe")
    facts = store.head(placed)
    assert facts
    assert (facts.size_bytes, facts.head) == (20, b"0123456789abcdef")
    assert (facts.version_id, facts.metadata) == (placed.version_id, {"prompt": "a red shoe"})


@pytest.mark.parametrize("size_bytes", [1, 15, 16, 17, 5_000_000])
def test_a_look_tells_the_whole_size_whatever_it_reads(bucket: str, store: S3ObjectStore, size_bytes: int) -> None:
    facts = store.head(put(bucket, b"x" * size_bytes))
    assert facts
    assert (facts.size_bytes, len(facts.head)) == (size_bytes, min(size_bytes, 16))


def test_an_empty_object_has_no_first_byte_and_is_there(bucket: str, store: S3ObjectStore) -> None:
    facts = store.head(put(bucket, b""))
    assert facts
    assert (facts.size_bytes, facts.head, facts.version_id) == (0, b"", None)


def test_a_look_sees_the_version_asked_for_and_not_the_newest(bucket: str, store: S3ObjectStore) -> None:
    first = put(bucket, b"first")
    put(bucket, b"the second")
    newest = store.head(ObjectLocation(bucket, KEY))
    asked = store.head(first)
    assert newest
    assert asked
    assert (newest.size_bytes, asked.size_bytes) == (10, 5)


@pytest.fixture
def plain_bucket(cloud: None) -> str:
    """Without versions."""
    aws.s3().create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    aws.s3().put_object(Bucket="plain", Key="a", Body=b"hello")
    return "plain"


def test_without_versions_an_object_has_no_version_id(plain_bucket: str, store: S3ObjectStore) -> None:
    facts = store.head(ObjectLocation(plain_bucket, "a"))
    assert facts
    assert facts.version_id is None


def test_without_versions_the_etag_tells_documents_apart(plain_bucket: str, store: S3ObjectStore) -> None:
    document = store.read(ObjectLocation(plain_bucket, "a"), max_bytes=5)
    assert document
    assert document.version == "5d41402abc4b2a76b9719d911017c592"


def test_where_versions_are_suspended_an_object_has_no_version_id(bucket: str, store: S3ObjectStore) -> None:
    aws.s3().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    aws.s3().put_object(Bucket=bucket, Key="a", Body=b"hello")
    facts = store.head(ObjectLocation(bucket, "a"))
    document = store.read(ObjectLocation(bucket, "a"), max_bytes=5)
    assert facts
    assert document
    assert (facts.version_id, document.version) == (None, "5d41402abc4b2a76b9719d911017c592")


@pytest.mark.parametrize("version_id", ["null", "none", "x", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", "%00"])
def test_a_version_that_can_not_be_is_nothing(bucket: str, store: S3ObjectStore, version_id: str) -> None:
    put(bucket, b"x")
    assert store.head(ObjectLocation(bucket, KEY, version_id)) is None
    assert store.read(ObjectLocation(bucket, KEY, version_id), max_bytes=10) is None


def test_a_key_that_is_too_long_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    assert store.head(ObjectLocation(bucket, "ü" * 600)) is None
    assert store.read(ObjectLocation(bucket, "ü" * 600), max_bytes=10) is None


@pytest.mark.parametrize("code", ["InvalidArgument", "KeyTooLongError"])
def test_what_s3_says_of_a_place_that_can_not_be_is_nothing(cloud: None, code: str) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_client_error("get_object", code, http_status_code=400)
        assert S3ObjectStore(client).head(ObjectLocation("b", "k", "nonsense")) is None
        assert S3ObjectStore(client).read(ObjectLocation("b", "k", "nonsense"), max_bytes=1) is None


@pytest.mark.parametrize("code", ["InvalidArgument", "KeyTooLongError"])
def test_what_can_not_be_put_is_a_failed_storage(cloud: None, code: str) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        stub.add_client_error("put_object", code, http_status_code=400)
        with pytest.raises(StorageFailed, match=code):
            S3ObjectStore(client).put(
                ObjectLocation("b", "k"), b"", content_type="image/png", sha256="00" * 32, metadata={}
            )


def put_through(store: S3ObjectStore, bucket: str, body: bytes) -> str | None:
    sha256 = hashlib.sha256(body).hexdigest()
    return store.put(ObjectLocation(bucket, KEY), body, content_type="image/png", sha256=sha256, metadata={})


def test_a_put_tells_the_version_that_it_made(bucket: str, store: S3ObjectStore) -> None:
    first, second = put_through(store, bucket, b"first"), put_through(store, bucket, b"second")
    assert first
    assert first != second
    document = store.read(ObjectLocation(bucket, KEY, first), max_bytes=10)
    assert document
    assert document.body == b"first"


def test_a_put_without_versions_tells_none(plain_bucket: str, store: S3ObjectStore) -> None:
    assert put_through(store, plain_bucket, b"x") is None


def test_a_put_where_versions_are_suspended_tells_none(cloud: None) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        stub.add_response("put_object", {"VersionId": "null", "ETag": '"x"'})
        assert put_through(S3ObjectStore(client), "b", b"x") is None


def test_what_is_missing_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    missing = ObjectLocation(bucket, "nowhere.png")
    assert store.head(missing) is None
    assert store.read(missing, max_bytes=10) is None


def test_a_deleted_object_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    put(bucket, b"x")
    marker = aws.s3().delete_object(Bucket=bucket, Key=KEY)["VersionId"]
    assert store.head(ObjectLocation(bucket, KEY)) is None
    assert store.read(ObjectLocation(bucket, KEY), max_bytes=10) is None
    assert store.head(ObjectLocation(bucket, KEY, marker)) is None


def test_a_deleted_version_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"x")
    aws.s3().delete_object(Bucket=bucket, Key=KEY, VersionId=str(placed.version_id))
    assert store.head(placed) is None
    assert store.read(placed, max_bytes=10) is None


def test_a_document_is_read_whole_with_its_version(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"{}")
    document = store.read(placed, max_bytes=2)
    assert document
    assert (document.body, document.version) == (b"{}", placed.version_id)


def test_a_document_one_byte_too_large_is_refused_by_name(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"{ }")
    with pytest.raises(InvalidRequest, match="larger than the 2 bytes allowed") as refusal:
        store.read(placed, max_bytes=2)
    assert KEY in str(refusal.value)


def test_a_document_without_a_byte_is_a_document(bucket: str, store: S3ObjectStore) -> None:
    document = store.read(put(bucket, b""), max_bytes=2)
    assert document
    assert document.body == b""


@pytest.mark.parametrize("as_file", [True, False])
def test_a_put_object_has_its_type_and_metadata(bucket: str, store: S3ObjectStore, as_file: bool) -> None:
    body = b"a picture"
    store.put(
        ObjectLocation(bucket, "a/1.png"),
        io.BytesIO(body) if as_file else body,
        content_type="image/png",
        sha256=hashlib.sha256(body).hexdigest(),
        metadata={"heliograph-job-id": "job_x"},
    )
    stored = aws.s3().get_object(Bucket=bucket, Key="a/1.png")
    assert stored["Body"].read() == body
    assert (stored["ContentType"], stored["Metadata"]) == ("image/png", {"heliograph-job-id": "job_x"})


def test_a_put_sends_its_checksum_for_s3_to_verify(bucket: str, store: S3ObjectStore) -> None:
    sent: list[str] = []

    def listen(request: Any, **_: object) -> None:
        sent.append(request.headers["x-amz-checksum-sha256"].decode())

    events = aws.s3().meta.events
    events.register_first("before-send.s3.PutObject", listen)
    try:
        store.put(
            ObjectLocation(bucket, KEY), io.BytesIO(b"x"), content_type="image/png", sha256="01" * 32, metadata={}
        )
    finally:
        events.unregister("before-send.s3.PutObject", listen)
    assert [base64.b64decode(checksum) for checksum in sent] == [b"\x01" * 32]


def test_a_put_signs_its_checksum_and_reads_its_body_once(bucket: str, store: S3ObjectStore) -> None:
    body, sent = _Counted(b"x" * 1_000_000), []

    def listen(request: Any, **_: object) -> None:
        sent.append((request.headers["X-Amz-Content-SHA256"], request.headers["Authorization"]))
        assert body.bytes_read == 0

    events = aws.s3().meta.events
    events.register_first("before-send.s3.PutObject", listen)
    try:
        sha256 = hashlib.sha256(body.getvalue()).hexdigest()
        store.put(ObjectLocation(bucket, KEY), body, content_type="image/png", sha256=sha256, metadata={})
    finally:
        events.unregister("before-send.s3.PutObject", listen)
    [(payload, authorization)] = [(str(text), signature.decode()) for text, signature in sent]
    assert "UNSIGNED-PAYLOAD" in payload
    assert "x-amz-checksum-sha256" in authorization


class _Counted(io.BytesIO):
    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.bytes_read += len(part)
        return part


def test_a_put_over_another_keeps_the_older_version(bucket: str, store: S3ObjectStore) -> None:
    first = put(bucket, b"first")
    body = b"second"
    sha256 = hashlib.sha256(body).hexdigest()
    store.put(ObjectLocation(bucket, KEY), body, content_type="image/png", sha256=sha256, metadata={})
    assert (document := store.read(first, max_bytes=10))
    assert document.body == b"first"


def test_a_link_names_bucket_key_and_version_and_its_life(bucket: str, store: S3ObjectStore) -> None:
    link = urlsplit(store.presigned_get(ObjectLocation(bucket, KEY, "v1"), seconds=900))
    query = parse_qs(link.query)
    # The bucket's own regional host: the global one answers with a redirect, which a signature does not survive.
    assert link.netloc == f"{bucket}.s3.eu-central-1.amazonaws.com"
    assert unquote(link.path) == "/" + KEY
    assert (link.scheme, query["versionId"], query["X-Amz-Expires"]) == ("https", ["v1"], ["900"])
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_a_link_to_the_newest_version_names_none(bucket: str, store: S3ObjectStore) -> None:
    assert "versionId" not in store.presigned_get(ObjectLocation(bucket, KEY), seconds=900)


def test_a_link_can_say_that_the_bytes_are_the_object_whatever_it_was_stored_with(
    bucket: str, store: S3ObjectStore
) -> None:
    query = parse_qs(urlsplit(store.presigned_get(ObjectLocation(bucket, KEY), seconds=900, unencoded=True)).query)
    assert query["response-content-encoding"] == ["identity"]
    assert "response-content-encoding" not in store.presigned_get(ObjectLocation(bucket, KEY), seconds=900)


def test_a_link_is_signed_for_our_region(bucket: str, store: S3ObjectStore) -> None:
    assert "eu-central-1%2Fs3%2Faws4_request" in store.presigned_get(ObjectLocation(bucket, KEY), seconds=900)


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError", "SlowDown", "NoSuchBucket", "InvalidObjectState"])
def test_whatever_else_s3_says_is_a_failed_storage_that_names_it(cloud: None, code: str) -> None:
    client = aws.s3()
    store = S3ObjectStore(client)
    place = ObjectLocation("b", "k")
    with Stubber(client) as stub:
        for operation in ("get_object", "get_object", "get_object", "put_object"):
            stub.add_client_error(operation, code, http_status_code=403)
        with pytest.raises(StorageFailed, match=f"s3://b/k: {code}"):
            store.head(place)
        with pytest.raises(StorageFailed, match=f"s3://b/k: {code}"):
            store.read(place, max_bytes=1)
        with pytest.raises(StorageFailed, match=f"s3://b/k: {code}"), store.rest(place, start=1):
            pass
        with pytest.raises(StorageFailed, match=f"s3://b/k: {code}"):
            store.put(place, b"", content_type="image/png", sha256="00" * 32, metadata={})


def test_a_look_asks_for_the_first_bytes_only(cloud: None) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        stub.add_client_error(
            "get_object", "NoSuchKey", expected_params={"Bucket": "b", "Key": "k", "Range": "bytes=0-15"}
        )
        assert S3ObjectStore(client).head(ObjectLocation("b", "k")) is None


def test_a_look_reads_as_much_as_it_is_told(bucket: str, store: S3ObjectStore) -> None:
    facts = store.head(put(bucket, b"0123456789" * 10), head_bytes=42)
    assert facts
    assert (facts.size_bytes, len(facts.head)) == (100, 42)


@pytest.mark.parametrize("start", [0, 1, 599_999])
def test_the_rest_of_an_object_comes_in_pieces(bucket: str, store: S3ObjectStore, start: int) -> None:
    body = bytes(range(256)) * 2344
    with store.rest(put(bucket, body), start=start) as pieces:
        found = list(pieces)
    assert b"".join(found) == body[start:]
    assert max(map(len, found)) <= 256 * 1024


def test_who_has_enough_of_an_object_leaves_the_rest(bucket: str, store: S3ObjectStore) -> None:
    with store.rest(put(bucket, bytes(2_000_000)), start=5) as pieces:
        assert next(pieces)


def test_of_an_object_that_is_gone_there_is_no_rest(bucket: str, store: S3ObjectStore) -> None:
    with store.rest(ObjectLocation(bucket, "nothing"), start=5) as pieces:
        assert list(pieces) == []


def test_an_object_that_breaks_off_is_a_failed_storage(cloud: None) -> None:
    client = aws.s3()

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ReadTimeoutError(endpoint_url="slow")

    with Stubber(client) as stub:
        stub.add_response(
            "get_object",
            {"Body": StreamingBody(Torn(), 10)},
            expected_params={"Bucket": "b", "Key": "k", "Range": "bytes=7-"},
        )
        with (
            pytest.raises(StorageFailed, match="s3://b/k: ReadTimeoutError"),
            S3ObjectStore(client).rest(ObjectLocation("b", "k"), start=7) as pieces,
        ):
            list(pieces)


def test_a_store_that_can_not_be_reached_is_a_failed_storage(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    store = S3ObjectStore(boto3.session.Session().client("s3", region_name="eu-central-1"))
    with pytest.raises(StorageFailed, match="NoCredentialsError"):
        store.head(ObjectLocation("b", "k"))


# ---- Forms (that S3 enforces them is seen on the emulator: moto takes anything)


def form_of(store: S3ObjectStore, bucket: str) -> tuple[SignedForm, dict[str, Any]]:
    """A form and the policy that it carries, signed."""
    form = store.presigned_post(
        ObjectLocation(bucket, "pending/up_x.png"), content_type="image/png", size_bytes=1000, seconds=900
    )
    policy: dict[str, Any] = json.loads(base64.b64decode(form.fields["policy"]))
    return form, policy


def test_a_form_binds_whoever_has_it_to_one_key_type_and_size(bucket: str, store: S3ObjectStore) -> None:
    form, policy = form_of(store, bucket)
    exact: dict[str, str] = {}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            exact |= condition
    [ranged] = [condition for condition in policy["conditions"] if isinstance(condition, list)]
    assert ranged == ["content-length-range", 1, 1000]
    assert (exact["bucket"], exact["key"], exact["Content-Type"]) == (bucket, "pending/up_x.png", "image/png")
    # curl -F takes < and @ for file names, and what follows a ; for the part's type.
    assert not [value for value in form.fields.values() if value.startswith(("<", "@")) or ";" in value]
    # Every field is bound, and to its own value: S3 refuses a form with one that the policy does not name.
    unsigned = {"policy", "x-amz-signature"}
    assert {name: value for name, value in form.fields.items() if name not in unsigned} == {
        name: value for name, value in exact.items() if name != "bucket"
    }


def test_a_form_is_signed_for_the_buckets_own_region_and_a_quarter_of_an_hour(
    bucket: str, store: S3ObjectStore
) -> None:
    with time_machine.travel(NOW, tick=False):
        form, policy = form_of(store, bucket)
    assert form.url == f"https://{bucket}.s3.eu-central-1.amazonaws.com/"
    assert form.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert "/eu-central-1/s3/aws4_request" in form.fields["x-amz-credential"]
    assert datetime.fromisoformat(policy["expiration"]) == NOW + timedelta(minutes=15)


# ---- Conditional writes: the fake of the unit tests and S3 behave alike


@pytest.fixture(params=["in memory", "in S3"])
def either(request: pytest.FixtureRequest, bucket: str) -> InMemoryObjectStore | S3ObjectStore:
    return InMemoryObjectStore() if request.param == "in memory" else S3ObjectStore(aws.s3())


def put_if(
    store: InMemoryObjectStore | S3ObjectStore, bucket: str, body: bytes, replacing: Replacing | None
) -> str | None:
    sha256 = hashlib.sha256(body).hexdigest()
    place = ObjectLocation(bucket, KEY)
    return store.put(place, io.BytesIO(body), content_type="image/png", sha256=sha256, metadata={}, replacing=replacing)


def body_of(store: InMemoryObjectStore | S3ObjectStore, bucket: str) -> bytes | None:
    found = store.read(ObjectLocation(bucket, KEY), max_bytes=100)
    return found.body if found else None


def test_an_object_is_replaced_only_while_it_is_the_one_that_was_looked_at(
    bucket: str, either: InMemoryObjectStore | S3ObjectStore
) -> None:
    assert put_if(either, bucket, b"first", Replacing(None))
    seen = either.head(ObjectLocation(bucket, KEY))
    assert seen
    assert put_if(either, bucket, b"second", Replacing(seen.etag))
    for stale in (Replacing(seen.etag), Replacing(None)):
        with pytest.raises(ObjectChanged):
            put_if(either, bucket, b"third", stale)
    assert body_of(either, bucket) == b"second"
    assert put_if(either, bucket, b"fourth", None)


def test_an_object_that_is_gone_is_not_replaced(bucket: str, either: InMemoryObjectStore | S3ObjectStore) -> None:
    with pytest.raises(ObjectChanged):
        put_if(either, bucket, b"first", Replacing('"d41d8cd98f00b204e9800998ecf8427f"'))
    assert body_of(either, bucket) is None


def test_an_empty_object_can_be_replaced_like_any_other(
    bucket: str, either: InMemoryObjectStore | S3ObjectStore
) -> None:
    put_if(either, bucket, b"", None)
    seen = either.head(ObjectLocation(bucket, KEY))
    assert seen
    assert put_if(either, bucket, b"x", Replacing(seen.etag))


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_every_way_in_which_s3_refuses_a_condition_is_a_changed_object(cloud: None, code: str) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        stub.add_client_error("put_object", code, http_status_code=412)
        with pytest.raises(ObjectChanged):
            put_if(S3ObjectStore(client), "b", b"x", Replacing("e"))


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def crc(bucket: str, body: bytes, key: str = KEY, **how: Any) -> ObjectLocation:
    """As clients of today put it, with a checksum of their own choosing."""
    answer = aws.s3().put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32", **how)
    return ObjectLocation(bucket, key, answer["VersionId"])


def in_place(bucket: str, **how: Any) -> ObjectLocation:
    """The object, copied onto itself inside S3."""
    answer = aws.s3().copy_object(Bucket=bucket, Key=KEY, CopySource={"Bucket": bucket, "Key": KEY}, **how)
    return ObjectLocation(bucket, KEY, answer["VersionId"])


def test_a_summary_tells_size_version_and_metadata(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"0123456789", a="b")

    summary = store.summary(ObjectLocation(bucket, KEY))

    assert summary
    assert (summary.size_bytes, summary.version_id, summary.metadata) == (10, placed.version_id, {"a": "b"})


def test_a_summary_has_the_sha256_that_s3_computed_of_the_whole(cloud: None, store: S3ObjectStore) -> None:
    # Moto keeps none that a client gave.
    checksum = base64.b64encode(bytes.fromhex(sha256(b"0123456789"))).decode()
    facts = {"ContentLength": 10, "ETag": '"e"', "Metadata": {}, "ChecksumSHA256": checksum}
    with Stubber(aws.s3()) as stub:
        stub.add_response("head_object", {**facts, "ChecksumType": "FULL_OBJECT"})
        summary = store.summary(ObjectLocation("pictures", KEY))

    assert summary
    assert summary.sha256 == sha256(b"0123456789")


def test_a_summary_of_nothing_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    assert store.summary(ObjectLocation(bucket, KEY)) is None


def test_copies_in_place_have_the_fingerprint_of_what_they_are_copies_of(bucket: str, store: S3ObjectStore) -> None:
    first = store.summary(crc(bucket, b"0123456789"))
    copies = [
        in_place(bucket, StorageClass="STANDARD_IA"),
        in_place(bucket, MetadataDirective="REPLACE", CacheControl="max-age=60"),
    ]
    other = store.summary(crc(bucket, b"0123456780"))

    assert first
    assert other
    assert first.fingerprint
    assert first.sha256 is None
    assert {found.fingerprint for copy in copies if (found := store.summary(copy))} == {first.fingerprint}
    assert other.fingerprint != first.fingerprint


def test_another_key_has_another_fingerprint(bucket: str, store: S3ObjectStore) -> None:
    here, there = store.summary(crc(bucket, b"0")), store.summary(crc(bucket, b"0", "another"))

    assert here
    assert there
    assert here.fingerprint != there.fingerprint


@pytest.mark.parametrize(
    ("told", "is_known"),
    [
        ({}, False),
        ({"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"}, True),
        ({"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=-2", "ChecksumType": "COMPOSITE"}, True),
        ({"ChecksumSHA256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=-2"}, True),
        ({"ChecksumType": "FULL_OBJECT"}, False),
    ],
)
def test_an_etag_alone_is_no_fingerprint_and_parts_checksums_are_no_sha256(
    cloud: None, store: S3ObjectStore, told: dict[str, str], is_known: bool
) -> None:
    with Stubber(aws.s3()) as stub:
        facts = {"ContentLength": 3, "ETag": '"098f6bcd4621d373cade4e832627b4f6"', "Metadata": {}, **told}
        stub.add_response("head_object", facts)
        summary = store.summary(ObjectLocation("pictures", KEY))

    assert summary
    assert summary.sha256 is None
    assert (summary.fingerprint is not None) is is_known


@pytest.mark.parametrize("status", [400, 403])
def test_where_a_head_says_no_a_get_says_why(cloud: None, store: S3ObjectStore, status: int) -> None:
    with Stubber(aws.s3()) as stub:
        stub.add_client_error("head_object", str(status), http_status_code=status)
        stub.add_client_error("get_object", "InvalidObjectState", http_status_code=403)
        with pytest.raises(StorageFailed, match="InvalidObjectState"):
            store.summary(ObjectLocation("pictures", KEY))


def copied(store: S3ObjectStore, source: ObjectLocation, wanted: str) -> CopyOutcome:
    target = ObjectLocation(source.bucket, "white/Stiefel 1+ü.png")
    return store.copy(source, target, content_type="image/png", sha256=wanted, metadata={"a": "b"})


def test_a_copy_is_of_that_version_and_has_metadata_of_its_own(bucket: str, store: S3ObjectStore) -> None:
    source = put(bucket, b"first", prompt="a red shoe")
    put(bucket, b"second")

    outcome = copied(store, source, sha256(b"first"))

    assert isinstance(outcome, Copied)
    answer = aws.s3().get_object(Bucket=bucket, Key="white/Stiefel 1+ü.png", VersionId=outcome.version_id or "")
    assert (answer["Body"].read(), answer["Metadata"], answer["ContentType"]) == (b"first", {"a": "b"}, "image/png")


def test_what_is_gone_or_has_other_bytes_is_not_copied(bucket: str, store: S3ObjectStore) -> None:
    source = put(bucket, b"first")

    assert isinstance(copied(store, source, sha256(b"other")), NotCopied)
    aws.s3().delete_object(Bucket=bucket, Key=KEY, VersionId=source.version_id or "")
    assert isinstance(copied(store, source, sha256(b"first")), NotCopied)


def test_an_archived_result_is_not_copied_and_a_forbidden_one_is_a_failure(cloud: None, store: S3ObjectStore) -> None:
    checksum = base64.b64encode(bytes.fromhex(sha256(b"x"))).decode()
    # An archived source is another error of a copy than of a read.
    said = (("InvalidObjectState", True), ("ObjectNotInActiveTierError", True), ("AccessDenied", False))
    for code, is_answer in said:
        with Stubber(aws.s3()) as stub:
            stub.add_response(
                "head_object", {"ContentLength": 3, "ETag": '"e"', "Metadata": {}, "ChecksumSHA256": checksum}
            )
            stub.add_client_error("copy_object", code, http_status_code=403)
            if is_answer:
                assert isinstance(copied(store, ObjectLocation("pictures", KEY), sha256(b"x")), NotCopied)
            else:
                with pytest.raises(StorageFailed, match=code):
                    copied(store, ObjectLocation("pictures", KEY), sha256(b"x"))


def test_a_version_is_copied_without_being_read(
    bucket: str, either: InMemoryObjectStore | S3ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3ObjectStore, "rest", lambda *_, **__: pytest.fail("it is read"))
    target = ObjectLocation(bucket, "references/up_x.png")
    how: dict[str, Any] = {"content_type": "image/png", "sha256": None, "metadata": {}, "replacing": Replacing(None)}
    first = either.put(ObjectLocation(bucket, KEY), b"first", content_type="x/y", sha256=sha256(b"first"), metadata={})
    either.put(ObjectLocation(bucket, KEY), b"second", content_type="x/y", sha256=sha256(b"second"), metadata={})
    source = ObjectLocation(bucket, KEY, first)

    outcome = either.copy(source, target, **how)

    assert isinstance(outcome, Copied)
    assert either.read(ObjectLocation(bucket, target.key, outcome.version_id), max_bytes=9)
    document = either.read(target, max_bytes=9)
    assert document
    assert document.body == b"first"
    assert isinstance(either.copy(ObjectLocation(bucket, "gone"), ObjectLocation(bucket, "new"), **how), NotCopied)


# ---- What S3 says of an object that is there, and what it means

REFUSED = [
    ("InvalidObjectState", 403, "archived in GLACIER: restore it"),
    ("InvalidRequest", 400, "SSE-C"),
    ("400", 400, "SSE-C"),
    ("AccessDenied", 403, "allow it in the bucket's policy"),
    ("403", 403, "allow it in the bucket's policy"),
    ("KMS.DisabledException", 400, "KMS key can't be used"),
    ("KMS.KMSInvalidStateException", 400, "KMS key can't be used"),
    ("KMS.NotFoundException", 400, "KMS key can't be used"),
    ("KMS.AccessDeniedException", 400, "KMS key"),
    ("InvalidKeyUsageException", 400, "KMS key can't be used"),
    ("XAmzContentSHA256Mismatch", 400, "XAmzContentSHA256Mismatch"),
    ("ANewCode", 422, "ANewCode"),
]
PASSING = [
    ("InternalError", 500),
    ("ServiceUnavailable", 503),
    ("SlowDown", 503),
    ("ANewCode", 502),
    ("RequestTimeout", 400),
    ("RequestTimeTooSkewed", 403),
    ("ExpiredToken", 400),
    ("InvalidAccessKeyId", 403),
    ("SignatureDoesNotMatch", 403),
    ("NoSuchBucket", 404),
    ("OperationAborted", 409),
    ("PreconditionFailed", 412),
    ("304", 304),
    ("TooManyRequests", 429),
    ("PermanentRedirect", 301),
    ("KMS.ThrottlingException", 400),
    ("KMS.KMSInternalException", 400),
    ("KMS.DependencyTimeoutException", 400),
    ("KMS.KeyUnavailableException", 400),
]


def said_of(code: str, status: int, method: str, **more: str) -> StorageFailed:
    """What the store raises where S3 answers a call so."""
    client = aws.s3()
    store, place = S3ObjectStore(client), ObjectLocation("b", "a/k.png")
    operations = {"put": "put_object"}
    calls: dict[str, Callable[[], object]] = {
        "head": lambda: store.head(place),
        "read": lambda: store.read(place, max_bytes=1),
        "rest": lambda: store.rest(place, start=1).__enter__(),
        "put": lambda: store.put(place, b"", content_type="image/png", sha256="00" * 32, metadata={}),
    }
    with Stubber(client) as stub:
        stub.add_client_error(
            operations.get(method, "get_object"), code, http_status_code=status, modeled_fields=dict(more) or None
        )
        with pytest.raises(StorageFailed) as failure:
            calls[method]()
    return failure.value


@pytest.mark.parametrize("method", ["head", "read", "rest"])
@pytest.mark.parametrize(("code", "status", "says"), REFUSED)
def test_an_object_that_is_refused_for_good_is_told_by_name_with_what_to_do(
    cloud: None, method: str, code: str, status: int, says: str
) -> None:
    more = {"StorageClass": "GLACIER"} if code == "InvalidObjectState" else {}
    refusal = said_of(code, status, method, **more).refusal

    assert refusal
    assert refusal.startswith("a/k.png can't be read: S3 refuses it")
    assert says in refusal


@pytest.mark.parametrize("method", ["head", "read", "rest"])
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_what_may_pass_is_no_refusal(cloud: None, method: str, code: str, status: int) -> None:
    assert said_of(code, status, method).refusal is None


@pytest.mark.parametrize(("code", "status", "says"), REFUSED)
def test_what_can_not_be_written_is_never_given_up(cloud: None, code: str, status: int, says: str) -> None:
    assert said_of(code, status, "put").refusal is None


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_refused_until_it_is_restored(
    bucket: str, store: S3ObjectStore, storage_class: Any
) -> None:
    aws.s3().put_object(Bucket=bucket, Key=KEY, Body=b"x", StorageClass=storage_class)
    with pytest.raises(StorageFailed) as failure:
        store.head(ObjectLocation(bucket, KEY))
    assert failure.value.refusal
    assert "is archived" in failure.value.refusal


def test_the_rest_of_an_object_is_its_rest_also_where_a_server_ignores_the_range(cloud: None) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        whole = StreamingBody(io.BytesIO(b"0123456789"), 10)
        stub.add_response("get_object", {"Body": whole, "ContentLength": 10})
        with S3ObjectStore(client).rest(ObjectLocation("pictures", KEY), start=4) as pieces:
            assert b"".join(pieces) == b"456789"
