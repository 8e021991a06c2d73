"""Open waits: the fake of the unit tests and the table of DynamoDB behave alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber
from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
from heliograph.access.ports import OpenWaits
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.fakes.open_waits import InMemoryOpenWaits
from tests.integration.conftest import items, table

START = datetime(2026, 11, 22, 12, 0, 18, tzinfo=UTC)


def in_dynamodb() -> OpenWaits:
    return DynamoDBOpenWaits(aws.dynamodb(), table("keys"))


@pytest.fixture(params=[InMemoryOpenWaits, in_dynamodb], ids=["in memory", "in DynamoDB"])
def store(request: pytest.FixtureRequest, cloud: None) -> OpenWaits:
    """Either of them, empty."""
    found: OpenWaits = request.param()
    return found


def begin(store: OpenWaits, wait: str, *, key: str = "key_a", at: int = 0, seconds: int = 300) -> int:
    now = START + timedelta(seconds=at)
    return store.begin(key, wait, now=now, until=now + timedelta(seconds=seconds))


def test_each_wait_says_which_one_it_is(store: OpenWaits) -> None:
    assert [begin(store, wait) for wait in "abc"] == [1, 2, 3]
    assert begin(store, "d", key="key_b") == 1


def test_a_wait_that_ended_counts_no_more(store: OpenWaits) -> None:
    for wait in "abc":
        begin(store, wait)
    store.end("key_a", "b")
    assert begin(store, "d") == 3


def test_an_end_of_what_never_began_changes_nothing(store: OpenWaits) -> None:
    begin(store, "a")
    store.end("key_a", "x")
    store.end("key_b", "a")
    assert begin(store, "b") == 2


def test_waits_that_nobody_ended_end_by_themselves_and_are_forgotten(store: OpenWaits) -> None:
    for wait in "abc":
        begin(store, wait, seconds=30)
    begin(store, "d", seconds=300)
    assert begin(store, "e", at=30) == 2


def test_of_many_ended_waits_nothing_is_left_but_one_small_item(cloud: None) -> None:
    store = in_dynamodb()
    for number in range(120):
        begin(store, f"w{number}", seconds=10)
    # Each time some are forgotten, as many as one update takes.
    for number in range(3):
        begin(store, f"later{number}", at=60)
    [item] = items("keys")
    assert item["id"] == {"S": "calls#key_a#waits"}
    assert {name for name in item if name.startswith("wait#")} == {"wait#later0", "wait#later1", "wait#later2"}
    assert int(item["expires_at"]["N"]) > (START + timedelta(seconds=360)).timestamp()
    assert list(DynamoDBKeyStore(aws.dynamodb(), "keys").scan()) == []


def test_a_table_that_is_away_is_a_failure_of_the_store(cloud: None) -> None:
    store = in_dynamodb()
    with Stubber(aws.dynamodb()) as stub:
        for _ in range(2):
            stub.add_client_error("update_item", "ProvisionedThroughputExceededException")
        with pytest.raises(StorageFailed):
            begin(store, "a")
        with pytest.raises(StorageFailed):
            store.end("key_a", "a")
