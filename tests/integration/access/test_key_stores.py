"""The store of API keys: the fake of the unit tests and the table of DynamoDB behave alike, call by call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.stub import Stubber
from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses
from heliograph.access.keys import ApiKey, KeyRequest, Scope, read_key_request
from heliograph.access.ports import KeyStore, KeyUses
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.examples import after
from tests.fakes.keys import InMemoryKeyStore, InMemoryKeyUses
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
    assert list(store.scan()) == [key]


def test_a_key_that_nobody_wrote_is_nothing(store: KeyStore) -> None:
    store.save(record(0))
    assert store.get(record(1).key_id) is None


def test_all_keys_are_listed_also_those_that_are_revoked(store: KeyStore) -> None:
    keys = [record(0), record(1).model_copy(update={"revoked_at": after(9)}), record(2)]
    for key in keys:
        store.save(key)
    assert sorted(store.scan(), key=lambda key: key.name) == keys


def test_of_two_records_of_a_key_the_later_is_kept(store: KeyStore) -> None:
    store.save(record())
    revoked = record().model_copy(update={"revoked_at": after(9)})
    store.save(revoked)
    assert store.get(revoked.key_id) == revoked
    assert list(store.scan()) == [revoked]


def test_a_key_is_replaced_while_it_is_as_it_was(store: KeyStore) -> None:
    store.save(record())
    first, second = (record().model_copy(update={"name": name}) for name in "ab")
    assert store.replace(record(), first)
    assert not store.replace(record(), second)
    kept = store.get(record().key_id)
    assert kept == first.model_copy(update={"revision": 1})
    assert store.replace(kept, second)
    assert (found := store.get(record().key_id)) is not None
    assert (found.name, found.revision) == ("b", 2)


def test_a_key_is_added_while_its_maker_is_not_revoked(store: KeyStore) -> None:
    maker = record(0)
    store.save(maker)
    assert store.add(record(1), maker=maker.key_id)
    assert store.get(record(1).key_id) == record(1)
    store.save(maker.model_copy(update={"revoked_at": after(5)}))
    assert not store.add(record(2), maker=maker.key_id)
    assert store.get(record(2).key_id) is None


def test_a_key_of_a_maker_that_is_not_there_is_not_added(store: KeyStore) -> None:
    assert not store.add(record(1), maker=record(0).key_id)
    assert list(store.scan()) == []


def test_a_key_without_a_maker_is_added(store: KeyStore) -> None:
    assert store.add(record(), maker=None)
    assert list(store.scan()) == [record()]


def test_the_last_use_is_not_written_with_the_key(store: KeyStore) -> None:
    store.save(record().model_copy(update={"last_used_at": after(5)}))
    assert store.get(record().key_id) == record()


# ---- Its uses, which others write


def used_in_dynamodb() -> KeyUses:
    return DynamoDBKeyUses(aws.dynamodb(), table("calls"))


@pytest.fixture(params=[InMemoryKeyUses, used_in_dynamodb], ids=["in memory", "in DynamoDB"])
def uses(request: pytest.FixtureRequest, cloud: None) -> KeyUses:
    """Either of them, empty."""
    found: KeyUses = request.param()
    return found


def test_a_use_is_noted_and_the_last_one_stays(uses: KeyUses) -> None:
    for seconds in (1, 61.5):
        uses.record_use(record().key_id, after(seconds))
    assert uses.last_uses([record().key_id]) == {record().key_id: after(61.5)}


def test_of_a_key_that_was_not_used_there_is_no_last_use(uses: KeyUses) -> None:
    uses.record_use(record(0).key_id, after(1))
    uses.count_call(record(1).key_id, after(1))
    assert uses.last_uses([record(1).key_id]) == {}
    assert uses.last_uses([]) == {}


def test_the_last_uses_of_more_keys_than_one_read_takes_are_all_found(uses: KeyUses) -> None:
    expected = {f"key_{number}": after(number) for number in range(205)}
    for key_id, at in expected.items():
        uses.record_use(key_id, at)
    assert uses.last_uses([*expected, "key_0", "key_x"]) == expected


def test_calls_are_counted_from_one_for_each_key_and_minute(uses: KeyUses) -> None:
    one, other = record(0).key_id, record(1).key_id
    assert [uses.count_call(one, after(seconds)) for seconds in (0, 30, 59.999)] == [1, 2, 3]
    assert uses.count_call(other, after(59)) == 1
    assert [uses.count_call(one, after(seconds)) for seconds in (60, 60, 120, 3600)] == [1, 2, 1, 1]
    assert uses.count_call(one, after(59)) == 4


# ---- The tables themselves


def test_what_an_earlier_release_counted_in_the_table_of_keys_is_no_key(cloud: None) -> None:
    store = in_dynamodb()
    aws.dynamodb().put_item(TableName="keys", Item={"id": {"S": "calls#key_x#2026"}, "calls": {"N": "3"}})
    store.save(record())
    assert list(store.scan()) == [record()]


def test_the_same_minute_of_another_day_is_another_minute(cloud: None) -> None:
    uses = used_in_dynamodb()
    assert [uses.count_call("key_x", after(days * 86_400)) for days in (0, 1, 365)] == [1, 1, 1]


def test_neither_a_key_nor_anything_but_its_hash_is_in_the_table(cloud: None) -> None:
    store = in_dynamodb()
    store.save(record())
    [item] = items("keys")
    assert set(item) == {"id", "document", "revision"}
    assert KEYS[0].removeprefix("hg_") not in str(item)
    assert record().digest in item["document"]["S"]


def test_a_last_use_never_expires_and_a_count_does_when_its_minute_is_over(cloud: None) -> None:
    uses = used_in_dynamodb()
    uses.record_use(record().key_id, after(0))
    uses.count_call(record().key_id, after(0))
    expiring = [item for item in items("calls") if "expires_at" in item]
    assert [item["id"]["S"].partition("#")[0] for item in expiring] == ["calls"]
    expires_in = int(expiring[0]["expires_at"]["N"]) - after(0).timestamp()
    assert 60 <= expires_in <= 3600


def test_keys_that_a_read_did_not_come_to_are_read_again(cloud: None) -> None:
    client = aws.dynamodb()
    keys = [{"id": {"S": f"used#key_{letter}"}} for letter in "ab"]
    found = [{**key, "used_at": {"S": after(1).isoformat()}} for key in keys]
    with Stubber(client) as stub:
        stub.add_response(
            "batch_get_item",
            {"Responses": {"calls": found[:1]}, "UnprocessedKeys": {"calls": {"Keys": keys[1:]}}},
            {"RequestItems": {"calls": {"Keys": keys}}},
        )
        stub.add_response(
            "batch_get_item", {"Responses": {"calls": found[1:]}}, {"RequestItems": {"calls": {"Keys": keys[1:]}}}
        )
        assert DynamoDBKeyUses(client, "calls").last_uses(["key_a", "key_b"]) == {"key_a": after(1), "key_b": after(1)}


def test_more_keys_than_fit_one_page_are_listed(cloud: None) -> None:
    client = aws.dynamodb()
    pages = [[{"id": {"S": "x"}, "document": {"S": record(which).model_dump_json()}}] for which in range(2)]
    with Stubber(client) as stub:
        stub.add_response("scan", {"Items": pages[0], "LastEvaluatedKey": {"id": {"S": "x"}}})
        stub.add_response("scan", {"Items": pages[1]})
        assert list(DynamoDBKeyStore(client, "keys").scan()) == [record(0), record(1)]


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
        ("scan", lambda store: list(store.scan())),
        ("transact_write_items", lambda store: store.add(record(), maker="key_x")),
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


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("update_item", lambda uses: uses.record_use("key_x", after(0))),
        ("update_item", lambda uses: uses.count_call("key_x", after(0))),
        ("batch_get_item", lambda uses: uses.last_uses(["key_x"])),
    ],
)
def test_whatever_dynamodb_says_of_uses_is_a_failed_storage(
    cloud: None, operation: str, call: Callable[[KeyUses], object]
) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error(operation, "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(StorageFailed, match="ProvisionedThroughputExceededException"):
            call(DynamoDBKeyUses(client, "calls"))
