"""The store of API keys: the fake of the unit tests and the table of DynamoDB behave alike, call by call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from botocore.stub import Stubber
from heliograph.adapters import aws
from heliograph.adapters.dynamodb_keys import DynamoDBKeyStore
from heliograph.domain.errors import StorageFailed
from heliograph.domain.keys import ApiKey, KeyRequest, Scope, read_key_request
from heliograph.ports import KeyStore

from tests.contract.examples import after
from tests.fakes.keys import InMemoryKeyStore
from tests.integration.conftest import items, table

KEYS = ["hg_" + letter * 43 for letter in "abc"]


def in_dynamodb() -> KeyStore:
    return DynamoDBKeyStore(aws.dynamodb(), table("keys"))


@pytest.fixture(params=[InMemoryKeyStore, in_dynamodb], ids=["in memory", "in DynamoDB"])
def store(request: pytest.FixtureRequest, cloud: None) -> KeyStore:
    """Either of them, empty."""
    found: KeyStore = request.param()
    return found


def record(which: int = 0, **asked: object) -> ApiKey:
    return ApiKey.of(KEYS[which], read_key_request({"name": f"no. {which}", **asked}), after(which))


FULL = ApiKey.of(
    KEYS[0],
    KeyRequest(
        name='夕暮れ "quoted"',
        tenant="a.b-c9",
        scopes=frozenset({Scope.ADMIN, Scope.JOBS_READ}),
        daily_budget_usd="0.000001",
        requests_per_minute=60_000,
    ),
    after(0.123456),
)


@pytest.mark.parametrize("key", [record(), FULL, FULL.model_copy(update={"revoked_at": after(60)})])
def test_a_key_is_read_as_it_was_written(store: KeyStore, key: ApiKey) -> None:
    store.save(key)
    assert store.get(key.key_id) == key
    assert list(store.every()) == [key]


def test_a_key_that_nobody_wrote_is_nothing(store: KeyStore) -> None:
    store.save(record(0))
    assert store.get(record(1).key_id) is None


def test_all_keys_are_listed_also_those_that_are_revoked(store: KeyStore) -> None:
    keys = [record(0), record(1).model_copy(update={"revoked_at": after(9)}), record(2)]
    for key in keys:
        store.save(key)
    assert sorted(store.every(), key=lambda key: key.name) == keys


def test_of_two_records_of_a_key_the_later_is_kept(store: KeyStore) -> None:
    store.save(record())
    revoked = record().model_copy(update={"revoked_at": after(9)})
    store.save(revoked)
    assert store.get(revoked.key_id) == revoked
    assert list(store.every()) == [revoked]


def test_a_use_is_noted_and_the_last_one_stays(store: KeyStore) -> None:
    store.save(record())
    for seconds in (1, 61.5):
        store.note_use(record().key_id, after(seconds))
    used = record().model_copy(update={"last_used_at": after(61.5)})
    assert store.get(used.key_id) == used
    assert list(store.every()) == [used]


@pytest.mark.parametrize("at", [None, after(5)])
def test_to_write_a_key_leaves_its_last_use_as_it_is(store: KeyStore, at: datetime | None) -> None:
    store.save(record())
    store.note_use(record().key_id, after(10))
    store.save(record().model_copy(update={"last_used_at": at, "revoked_at": after(11)}))
    found = store.get(record().key_id)
    assert found
    assert (found.last_used_at, found.revoked_at) == (after(10), after(11))


def test_a_use_that_nobody_noted_is_not_written_with_the_key(store: KeyStore) -> None:
    store.save(record().model_copy(update={"last_used_at": after(5)}))
    assert store.get(record().key_id) == record()


def test_the_use_of_a_key_that_is_not_there_makes_none(store: KeyStore) -> None:
    store.note_use(record().key_id, after(0))
    assert store.get(record().key_id) is None
    assert list(store.every()) == []


def test_calls_are_counted_from_one_for_each_key_and_minute(store: KeyStore) -> None:
    one, other = record(0).key_id, record(1).key_id
    assert [store.count_call(one, after(seconds)) for seconds in (0, 30, 59.999)] == [1, 2, 3]
    assert store.count_call(other, after(59)) == 1
    assert [store.count_call(one, after(seconds)) for seconds in (60, 60, 120, 3600)] == [1, 2, 1, 1]
    assert store.count_call(one, after(59)) == 4


def test_a_count_is_no_key(store: KeyStore) -> None:
    store.save(record())
    store.count_call(record().key_id, after(0))
    assert list(store.every()) == [record()]
    assert store.get(record().key_id) == record()


# ---- The table itself


def test_the_same_minute_of_another_day_is_another_minute(cloud: None) -> None:
    store = in_dynamodb()
    assert [store.count_call("key_x", after(days * 86_400)) for days in (0, 1, 365)] == [1, 1, 1]


def test_neither_a_key_nor_anything_but_its_hash_is_in_the_table(cloud: None) -> None:
    store = in_dynamodb()
    store.save(record())
    store.note_use(record().key_id, after(1))
    [item] = items("keys")
    assert set(item) == {"id", "document", "last_used_at"}
    assert KEYS[0].removeprefix("hg_") not in str(item)
    assert record().digest in item["document"]["S"]


def test_a_key_never_expires_and_a_count_does_when_its_minute_is_over(cloud: None) -> None:
    store = in_dynamodb()
    store.save(record())
    store.note_use(record().key_id, after(0))
    store.count_call(record().key_id, after(0))
    expiring = [item for item in items("keys") if "expires_at" in item]
    assert [item["id"]["S"].partition("#")[0] for item in expiring] == ["calls"]
    expires_in = int(expiring[0]["expires_at"]["N"]) - after(0).timestamp()
    assert 60 <= expires_in <= 3600


def test_more_keys_than_fit_one_page_are_listed(cloud: None) -> None:
    client = aws.dynamodb()
    pages = [[{"id": {"S": "x"}, "document": {"S": record(which).model_dump_json()}}] for which in range(2)]
    with Stubber(client) as stub:
        stub.add_response("scan", {"Items": pages[0], "LastEvaluatedKey": {"id": {"S": "x"}}})
        stub.add_response("scan", {"Items": pages[1]})
        assert list(DynamoDBKeyStore(client, "keys").every()) == [record(0), record(1)]


def test_a_key_is_read_consistently_because_it_may_just_have_been_revoked(cloud: None) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        expected = {"TableName": "keys", "Key": {"id": {"S": "key_x"}}, "ConsistentRead": True}
        stub.add_response("get_item", {}, expected)
        assert DynamoDBKeyStore(client, "keys").get("key_x") is None


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("update_item", lambda store: store.save(record())),
        ("get_item", lambda store: store.get(record().key_id)),
        ("scan", lambda store: list(store.every())),
        ("update_item", lambda store: store.note_use(record().key_id, after(0))),
        ("update_item", lambda store: store.count_call(record().key_id, after(0))),
    ],
)
def test_whatever_dynamodb_says_is_a_failed_storage(
    cloud: None, operation: str, call: Callable[[KeyStore], object]
) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error(operation, "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(StorageFailed, match="ProvisionedThroughputExceededException"):
            call(DynamoDBKeyStore(client, "keys"))
