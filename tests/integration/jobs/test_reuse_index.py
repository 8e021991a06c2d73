"""The index of results: the fake of the unit tests and the tables of DynamoDB behave alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from botocore.stub import Stubber
from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBResultIndex, DynamoDBReuseIndex
from heliograph.jobs.fingerprints import KeyedUpload
from heliograph.jobs.ports import ReuseIndex
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.fakes.clock import SteppingClock
from tests.fakes.reuse_index import InMemoryReuseIndex
from tests.integration.conftest import RETENTION, items, job_store, table

KEY = "uploads/white/" + "ü" * 400 + ".jpg"


def in_dynamodb() -> DynamoDBReuseIndex:
    return DynamoDBReuseIndex(
        aws.dynamodb(), table("reuse"), jobs_table=table("jobs"), retention=RETENTION, clock=SteppingClock()
    )


@pytest.fixture(params=[InMemoryReuseIndex, in_dynamodb], ids=["in memory", "in DynamoDB"])
def index(request: pytest.FixtureRequest, cloud: None) -> ReuseIndex:
    """Either of them, empty."""
    make: Callable[[], ReuseIndex] = request.param
    return make()


def upload(sequencer: str, job_id: str = "job_a") -> KeyedUpload:
    return KeyedUpload("identity", job_id, sequencer)


def test_of_many_who_would_hold_an_image_one_does(index: ReuseIndex) -> None:
    assert index.holder("k") is None
    assert index.hold("k", "job_a", instead_of=None)
    assert not index.hold("k", "job_b", instead_of=None)
    assert not index.hold("k", "job_b", instead_of="job_c")
    assert index.holder("k") == "job_a"
    assert index.hold("k", "job_b", instead_of="job_a")
    assert (index.holder("k"), index.holder("other")) == ("job_b", None)


def test_the_newest_upload_of_a_key_is_kept_whatever_comes_later(index: ReuseIndex) -> None:
    assert index.upload("b", KEY) is None
    index.note_upload("b", KEY, upload("00FF", "job_b"))
    index.note_upload("b", KEY, upload("00FE", "job_a"))

    found = index.upload("b", KEY)

    assert found
    assert (found.job_id, found.identity) == ("job_b", "identity")
    assert index.upload("b", "another") is None


def test_of_the_same_write_the_last_note_counts(index: ReuseIndex) -> None:
    index.note_upload("b", KEY, upload("FF", "job_a"))
    index.note_upload("b", KEY, upload("ff", "job_b"))

    assert (found := index.upload("b", KEY)) is not None
    assert found.job_id == "job_b"


def test_a_shorter_sequencer_is_filled_up_with_zeros_on_the_right(index: ReuseIndex) -> None:
    index.note_upload("b", KEY, upload("0F1", "job_b"))
    index.note_upload("b", KEY, upload("0F", "job_a"))

    assert (found := index.upload("b", KEY)) is not None
    assert found.job_id == "job_b"


def test_without_sequencers_the_last_one_counts(index: ReuseIndex) -> None:
    index.note_upload("b", KEY, upload("", "job_a"))
    index.note_upload("b", KEY, upload("", "job_b"))

    assert (found := index.upload("b", KEY)) is not None
    assert found.job_id == "job_b"


def test_what_was_read_is_known_by_its_fingerprint(index: ReuseIndex) -> None:
    assert index.sha256_of("f") is None
    index.note_sha256("f", "ab")
    assert (index.sha256_of("f"), index.sha256_of("g")) == ("ab", None)


def test_results_are_known_by_their_bytes(index: ReuseIndex) -> None:
    assert index.origin_of("ab") is None
    index.note_result("ab", "cd")
    assert (index.origin_of("ab"), index.origin_of("cd")) == ("cd", None)


def test_jobs_are_counted_by_preset_source_and_day(index: ReuseIndex) -> None:
    assert [index.count_job("p", "s", "2026-11-22") for _ in range(3)] == [1, 2, 3]
    others = [("q", "s", "2026-11-22"), ("p", "t", "2026-11-22"), ("p", "s", "2026-11-23")]
    assert [index.count_job(*other) for other in others] == [1, 1, 1]


def test_a_preset_stays_stopped(index: ReuseIndex) -> None:
    assert not index.is_stopped("p")
    index.stop("p")
    index.stop("p")
    assert index.is_stopped("p")
    assert not index.is_stopped("q")


def test_every_entry_is_deleted_in_the_end(cloud: None) -> None:
    index = in_dynamodb()
    index.hold("k", "job_a", instead_of=None)
    index.note_upload("b", KEY, upload("1"))
    index.note_sha256("f", "ab")
    index.note_result("ab", "cd")
    index.stop("p")
    kept = int((SteppingClock().now() + RETENTION).timestamp())
    assert [int(item["expires_at"]["N"]) for item in items("reuse") + items("jobs")] == [kept] * 5

    index.count_job("p", "s", "2026-11-22")

    counted = [item for item in items("reuse") if "jobs" in item]
    assert [int(item["expires_at"]["N"]) for item in counted] == [
        int((SteppingClock().now() + timedelta(days=2)).timestamp())
    ]


def test_what_stands_beside_the_jobs_is_no_job(cloud: None) -> None:
    table("ledger")
    table("routes")
    index = in_dynamodb()
    index.note_result("ab", "cd")

    assert list(job_store().scan()) == []


def test_an_outage_is_a_failure_of_the_store(cloud: None) -> None:
    index = DynamoDBResultIndex(aws.dynamodb(), "jobs", retention=RETENTION, clock=SteppingClock())
    with Stubber(aws.dynamodb()) as stub:
        stub.add_client_error("get_item", "InternalServerError")
        with pytest.raises(StorageFailed, match="InternalServerError"):
            index.origin_of("ab")
