"""S3ObjectStore against moto's S3."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
import time_machine
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from heliograph.adapters import aws
from heliograph.adapters.s3 import S3ObjectStore
from heliograph.domain.errors import InvalidRequest, StorageFailed
from heliograph.domain.objects import SignedForm
from heliograph.domain.references import ObjectLocation

from tests.contract.examples import NOW
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
    facts = store.look(placed)
    assert facts
    assert (facts.size_bytes, facts.head) == (20, b"0123456789abcdef")
    assert (facts.version_id, facts.metadata) == (placed.version_id, {"prompt": "a red shoe"})


@pytest.mark.parametrize("size_bytes", [1, 15, 16, 17, 5_000_000])
def test_a_look_tells_the_whole_size_whatever_it_reads(bucket: str, store: S3ObjectStore, size_bytes: int) -> None:
    facts = store.look(put(bucket, b"x" * size_bytes))
    assert facts
    assert (facts.size_bytes, len(facts.head)) == (size_bytes, min(size_bytes, 16))


def test_an_empty_object_has_no_first_byte_and_is_there(bucket: str, store: S3ObjectStore) -> None:
    facts = store.look(put(bucket, b""))
    assert facts
    assert (facts.size_bytes, facts.head, facts.version_id) == (0, b"", None)


def test_a_look_sees_the_version_asked_for_and_not_the_newest(bucket: str, store: S3ObjectStore) -> None:
    first = put(bucket, b"first")
    put(bucket, b"the second")
    newest = store.look(ObjectLocation(bucket, KEY))
    asked = store.look(first)
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
    facts = store.look(ObjectLocation(plain_bucket, "a"))
    assert facts
    assert facts.version_id is None


def test_without_versions_the_etag_tells_documents_apart(plain_bucket: str, store: S3ObjectStore) -> None:
    document = store.read(ObjectLocation(plain_bucket, "a"), max_bytes=5)
    assert document
    assert document.version == "5d41402abc4b2a76b9719d911017c592"


def test_where_versions_are_suspended_an_object_has_no_version_id(bucket: str, store: S3ObjectStore) -> None:
    aws.s3().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    aws.s3().put_object(Bucket=bucket, Key="a", Body=b"hello")
    facts = store.look(ObjectLocation(bucket, "a"))
    document = store.read(ObjectLocation(bucket, "a"), max_bytes=5)
    assert facts
    assert document
    assert (facts.version_id, document.version) == (None, "5d41402abc4b2a76b9719d911017c592")


@pytest.mark.parametrize("version_id", ["null", "none", "x", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", "%00"])
def test_a_version_that_can_not_be_is_nothing(bucket: str, store: S3ObjectStore, version_id: str) -> None:
    put(bucket, b"x")
    assert store.look(ObjectLocation(bucket, KEY, version_id)) is None
    assert store.read(ObjectLocation(bucket, KEY, version_id), max_bytes=10) is None


def test_a_key_that_is_too_long_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    assert store.look(ObjectLocation(bucket, "ü" * 600)) is None
    assert store.read(ObjectLocation(bucket, "ü" * 600), max_bytes=10) is None


@pytest.mark.parametrize("code", ["InvalidArgument", "KeyTooLongError"])
def test_what_s3_says_of_a_place_that_can_not_be_is_nothing(cloud: None, code: str) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_client_error("get_object", code, http_status_code=400)
        assert S3ObjectStore(client).look(ObjectLocation("b", "k", "nonsense")) is None
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
    assert store.look(missing) is None
    assert store.read(missing, max_bytes=10) is None


def test_a_deleted_object_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    put(bucket, b"x")
    marker = aws.s3().delete_object(Bucket=bucket, Key=KEY)["VersionId"]
    assert store.look(ObjectLocation(bucket, KEY)) is None
    assert store.read(ObjectLocation(bucket, KEY), max_bytes=10) is None
    assert store.look(ObjectLocation(bucket, KEY, marker)) is None


def test_a_deleted_version_is_nothing(bucket: str, store: S3ObjectStore) -> None:
    placed = put(bucket, b"x")
    aws.s3().delete_object(Bucket=bucket, Key=KEY, VersionId=str(placed.version_id))
    assert store.look(placed) is None
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
            store.look(place)
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
        assert S3ObjectStore(client).look(ObjectLocation("b", "k")) is None


def test_a_look_reads_as_much_as_it_is_told(bucket: str, store: S3ObjectStore) -> None:
    facts = store.look(put(bucket, b"0123456789" * 10), head_bytes=42)
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
        store.look(ObjectLocation("b", "k"))


# ---- Forms (that S3 enforces them is seen on the emulator: moto takes anything)

TAG = ("heliograph-upload", "unused")


def form_of(store: S3ObjectStore, bucket: str) -> tuple[SignedForm, dict[str, Any]]:
    """A form and the policy that it carries, signed."""
    form = store.presigned_post(
        ObjectLocation(bucket, "references/up_x.png"), content_type="image/png", size_bytes=1000, tag=TAG, seconds=900
    )
    policy: dict[str, Any] = json.loads(base64.b64decode(form.fields["policy"]))
    return form, policy


def test_a_form_binds_whoever_has_it_to_one_key_type_tag_and_size(bucket: str, store: S3ObjectStore) -> None:
    form, policy = form_of(store, bucket)
    exact: dict[str, str] = {}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            exact |= condition
    [ranged] = [condition for condition in policy["conditions"] if isinstance(condition, list)]
    assert ranged == ["content-length-range", 1, 1000]
    assert (exact["bucket"], exact["key"], exact["Content-Type"]) == (bucket, "references/up_x.png", "image/png")
    assert exact["tagging"] == (
        "<Tagging><TagSet><Tag><Key>heliograph-upload</Key><Value>unused</Value></Tag></TagSet></Tagging>"
    )
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


def tags(bucket: str, location: ObjectLocation) -> list[str]:
    found = aws.s3().get_object_tagging(Bucket=bucket, Key=location.key, VersionId=location.version_id or "")
    return [tag["Key"] for tag in found["TagSet"]]


def tagged(bucket: str, body: bytes) -> ObjectLocation:
    answer = aws.s3().put_object(Bucket=bucket, Key="references/up_x.png", Body=body, Tagging="=".join(TAG))
    return ObjectLocation(bucket, "references/up_x.png", answer["VersionId"])


def test_an_object_loses_its_tags_and_nothing_else(bucket: str, store: S3ObjectStore) -> None:
    placed = tagged(bucket, b"picture")
    store.untag(ObjectLocation(bucket, placed.key))
    facts = store.look(placed)
    assert tags(bucket, placed) == []
    assert facts
    assert facts.head == b"picture"
    store.untag(ObjectLocation(bucket, placed.key))


def test_a_version_loses_its_own_tags_only(bucket: str, store: S3ObjectStore) -> None:
    first, second = tagged(bucket, b"first"), tagged(bucket, b"second")
    store.untag(first)
    assert (tags(bucket, first), tags(bucket, second)) == ([], [TAG[0]])


def test_tags_that_can_not_be_taken_are_a_failed_storage(cloud: None) -> None:
    client = aws.s3()
    with Stubber(client) as stub:
        stub.add_client_error("delete_object_tagging", "NoSuchKey", http_status_code=404)
        with pytest.raises(StorageFailed, match="s3://b/k: NoSuchKey"):
            S3ObjectStore(client).untag(ObjectLocation("b", "k"))
