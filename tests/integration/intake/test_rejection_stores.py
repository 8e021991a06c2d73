"""The stores of rejections: the fake of the unit tests and the table of DynamoDB behave alike."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber
from heliograph.intake.adapters import dynamodb_rejections
from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore
from heliograph.intake.events import upload_rejected
from heliograph.intake.ports import RejectionStore
from heliograph.intake.preset_events import preset_rejected
from heliograph.intake.rejections import RejectedKind, Rejection, RejectionQuery
from heliograph.kernel.errors import Fault, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.pagination import cursor_of
from heliograph.platform import aws

from tests.examples import after
from tests.fakes.rejections import InMemoryRejectionStore
from tests.integration.conftest import items, table

FAILURE = Failure(code=FailureCode.INVALID_INPUT, message="no", retryable=False, charged=Charged.NO)


def in_dynamodb() -> RejectionStore:
    return DynamoDBRejectionStore(aws.dynamodb(), table("rejections"))


@pytest.fixture(params=[InMemoryRejectionStore, in_dynamodb], ids=["in memory", "in DynamoDB"])
def store(request: pytest.FixtureRequest, cloud: None) -> RejectionStore:
    """Either of them, empty."""
    found: RejectionStore = request.param()
    return found


def rejection(number: int, *, at: float | None = None, tenant: str = "default", preset: str = "white") -> Rejection:
    told: dict[str, Any] = {
        "bucket": "b",
        "version": str(number),
        "version_id": f"v{number}",
        "failure": FAILURE,
        "faults": (Fault("/prompt", "名 is required"),),
        "at": after(number if at is None else at),
    }
    if number % 2:
        event = preset_rejected(key=f"presets/{preset}.json", preset=preset, **told)
        return Rejection.of(event, tenant=tenant)
    return Rejection.of(upload_rejected(key=f"uploads/{preset}/{number}", preset=preset, **told), tenant=tenant)


def ids(store: RejectionStore, tenant: str = "default", **query: Any) -> list[str]:
    return [found.rejection_id for found in store.list(tenant, RejectionQuery(**query)).items]


def test_a_rejection_is_listed_as_it_was_written(store: RejectionStore) -> None:
    assert store.add(rejection(1))
    assert store.list("default", RejectionQuery()).items == (rejection(1),)


def test_the_same_rejection_is_one_entry_and_keeps_its_first_time(store: RejectionStore) -> None:
    assert [store.add(rejection(0, at=at)) for at in (1, 2, 3)] == [True, False, False]
    [found] = store.list("default", RejectionQuery()).items
    assert found.rejected_at == after(1)


def test_a_tenant_sees_its_own(store: RejectionStore) -> None:
    store.add(rejection(0))
    store.add(rejection(2, tenant="shop"))
    assert ids(store) == [rejection(0).rejection_id]
    assert ids(store, "shop") == [rejection(2).rejection_id]
    assert ids(store, "blog") == []


def test_a_list_goes_on_where_it_ended(store: RejectionStore) -> None:
    made = [rejection(number, at=number // 2) for number in range(7)]
    for one in made:
        store.add(one)
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        found = store.list("default", RejectionQuery(limit=2, cursor=cursor))
        seen += [one.rejection_id for one in found.items]
        cursor = cursor_of(found.end) if found.end else None
    assert cursor is None
    assert sorted(seen) == sorted(one.rejection_id for one in made)
    times = {one.rejection_id: one.rejected_at for one in made}
    assert [times[name] for name in seen] == sorted(times.values(), reverse=True)


def test_a_list_is_narrowed_down(store: RejectionStore) -> None:
    made = [rejection(number, preset="white" if number < 2 else "black") for number in range(4)]
    for one in made:
        store.add(one)
    assert ids(store, kind=RejectedKind.PRESET) == [made[number].rejection_id for number in (3, 1)]
    assert ids(store, preset="white") == [made[number].rejection_id for number in (1, 0)]
    assert ids(store, preset="white", kind=RejectedKind.UPLOAD) == [made[0].rejection_id]


def test_a_narrow_list_passes_by_so_much_only(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_rejections, "_MOST_READ", 4)
    store = in_dynamodb()
    for number in range(8):
        store.add(rejection(number))
    found = store.list("default", RejectionQuery(preset="nobody's"))
    assert found.items == ()
    assert found.end


def test_a_rejection_is_deleted_after_thirty_days(cloud: None) -> None:
    store = in_dynamodb()
    store.add(rejection(0))
    [item] = items("rejections")
    assert int(item["expires_at"]["N"]) == int(after(0).timestamp()) + 30 * 86_400


def test_a_store_that_fails_says_so(cloud: None) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error("put_item", "AccessDeniedException")
        stub.add_client_error("query", "ResourceNotFoundException")
        with pytest.raises(StorageFailed, match="AccessDeniedException"):
            DynamoDBRejectionStore(client, "t").add(rejection(0))
        with pytest.raises(StorageFailed, match="ResourceNotFoundException"):
            DynamoDBRejectionStore(client, "t").list("default", RejectionQuery())
