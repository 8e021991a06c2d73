"""Recent calls: the fake of the unit tests and the table of DynamoDB behave alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber
from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
from heliograph.intake.identify_call import IdentifiedCall, identify_call, record_refused
from heliograph.intake.ports import RecentCalls
from heliograph.intake.recent_calls import REMEMBERED, IncomingCall, Recent, Stage, match_retry, with_stage
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.fakes.recent_calls import InMemoryRecentCalls
from tests.integration.conftest import items, table

START = datetime(2026, 11, 22, 12, 0, 18, 123000, tzinfo=UTC)


def in_dynamodb() -> RecentCalls:
    return DynamoDBRecentCalls(aws.dynamodb(), table("calls"))


@pytest.fixture(params=[InMemoryRecentCalls, in_dynamodb], ids=["in memory", "in DynamoDB"])
def store(request: pytest.FixtureRequest, cloud: None) -> RecentCalls:
    """Either of them, empty."""
    found: RecentCalls = request.param()
    return found


def arrival(number: int = 0, repeat: int = 0) -> IncomingCall:
    return IncomingCall(call_id=f"call-{number}", received_at=START + timedelta(milliseconds=number), repeat=repeat)


def recent(*numbers: int) -> Recent:
    found: Recent = ()
    for number in numbers:
        _, found = match_retry(arrival(number), found)
        found = with_stage(f"call-{number}", Stage.ANSWERED, arrival(number).received_at, found)
    return found


def test_what_was_written_is_read(store: RecentCalls) -> None:
    assert store.look("d") == ()
    assert store.save("d", (), recent(1))
    assert store.save("d", recent(1), recent(1, 2))
    assert store.look("d") == recent(1, 2)
    assert store.look("e") == ()


def test_of_two_at_once_one_writes(store: RecentCalls) -> None:
    assert store.save("d", (), recent(1))
    assert not store.save("d", (), recent(2))
    assert store.save("d", recent(1), recent(1, 2))
    assert not store.save("d", recent(1), recent(1, 3))
    assert store.look("d") == recent(1, 2)


def named(store: RecentCalls, digest: str, found: IncomingCall) -> IdentifiedCall:
    return identify_call(digest, found, recent_calls=store)


def test_a_call_is_named_once_and_for_its_repeats(store: RecentCalls) -> None:
    call = named(store, "d", arrival(1))
    assert call.call_id == "call-1"
    assert named(store, "d", arrival(2)).call_id == "call-1"
    submitted = call.noted(Stage.SUBMITTED, START, recent_calls=store)
    submitted.noted(Stage.ANSWERED, START + timedelta(seconds=1), recent_calls=store)
    assert named(store, "d", arrival(3, repeat=1)).call_id == "call-1"
    assert named(store, "e", arrival(4, repeat=1)).call_id == "call-4"
    assert [found.stage for found in store.look("d")] == [Stage.ANSWERED]


def test_a_refused_call_is_remembered_as_one(store: RecentCalls) -> None:
    record_refused("d", arrival(1), recent_calls=store)
    assert [found.stage for found in store.look("d")] == [Stage.REFUSED]
    assert named(store, "d", arrival(2, repeat=1)).call_id == "call-1"


def test_a_refused_call_changes_nothing_of_one_that_it_would_have_joined(store: RecentCalls) -> None:
    named(store, "d", arrival(1))
    record_refused("d", arrival(2), recent_calls=store)
    assert [(found.call_id, found.stage) for found in store.look("d")] == [("call-1", Stage.BEGUN)]


def test_a_record_that_is_never_free_is_a_failure_of_the_store(store: RecentCalls) -> None:
    class Contended:
        def look(self, digest: str) -> Recent:
            return store.look(digest)

        def save(self, digest: str, before: Recent, after: Recent) -> bool:
            return False

    with pytest.raises(StorageFailed, match="faster"):
        identify_call("d", arrival(), recent_calls=Contended())


def test_the_record_is_forgotten(cloud: None) -> None:
    store = in_dynamodb()
    store.save("d", (), with_stage("call-1", Stage.ANSWERED, START, recent(1)))
    [item] = items("calls")
    assert item["id"] == {"S": "same#d"}
    assert int(item["expires_at"]["N"]) == int((START + REMEMBERED).timestamp())


def test_a_table_that_is_away_is_a_failure_of_the_store(cloud: None) -> None:
    store = DynamoDBRecentCalls(aws.dynamodb(), "calls")
    with Stubber(aws.dynamodb()) as stub:
        stub.add_client_error("get_item", "InternalServerError")
        stub.add_client_error("update_item", "ProvisionedThroughputExceededException")
        with pytest.raises(StorageFailed):
            store.look("d")
        with pytest.raises(StorageFailed):
            store.save("d", (), recent(1))
