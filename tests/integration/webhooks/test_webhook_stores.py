"""The stores of endpoints and deliveries: the fakes of the unit tests and the tables of DynamoDB behave alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from heliograph.kernel.errors import StaleRecord, StorageFailed, WorkflowFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import cursor_of
from heliograph.platform import aws
from heliograph.webhooks.adapters import dynamodb_deliveries
from heliograph.webhooks.adapters.dynamodb_deliveries import DynamoDBDeliveryStore
from heliograph.webhooks.adapters.dynamodb_endpoints import DynamoDBEndpointStore
from heliograph.webhooks.adapters.step_functions import StepFunctionsDeliveryWorkflow
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import (
    MAX_RECOVERED,
    OVERDUE_AFTER,
    RETENTION,
    Delivery,
    DeliveryAttempt,
    DeliveryQuery,
    DeliveryStatus,
    DeliverySummary,
)
from heliograph.webhooks.endpoint import Endpoint
from heliograph.webhooks.ports import DeliveryStore, EndpointStore

from tests.examples import after
from tests.fakes.webhooks import InMemoryDeliveryStore, InMemoryEndpointStore
from tests.integration.conftest import Deployment, items, table


def endpoints_in_dynamodb() -> EndpointStore:
    return DynamoDBEndpointStore(aws.dynamodb(), table("endpoints"))


def deliveries_in_dynamodb() -> DeliveryStore:
    return DynamoDBDeliveryStore(aws.dynamodb(), table("deliveries"))


@pytest.fixture(params=[InMemoryEndpointStore, endpoints_in_dynamodb], ids=["in memory", "in DynamoDB"])
def endpoints(request: pytest.FixtureRequest, cloud: None) -> EndpointStore:
    """Either of them, empty."""
    found: EndpointStore = request.param()
    return found


@pytest.fixture(params=[InMemoryDeliveryStore, deliveries_in_dynamodb], ids=["in memory", "in DynamoDB"])
def deliveries(request: pytest.FixtureRequest, cloud: None) -> DeliveryStore:
    """Either of them, empty."""
    found: DeliveryStore = request.param()
    return found


def endpoint(name: str = "ep_a", *, tenant: str = "shop", **changes: Any) -> Endpoint:
    return Endpoint(endpoint_id=name, tenant=tenant, url="https://x.org/", created_at=after(0.123456), **changes)


def delivery(number: int = 0, *, at: float | None = None, tenant: str = "shop", **changes: Any) -> Delivery:
    event = ReceivedEvent(
        type="image.job.failed",
        version="1",
        event_id=f"evt_{number}",
        occurred_at="2026-11-22T10:00:00Z",
        data={"job_id": f"job_{number}", "名": "夕暮れ"},
    )
    made = Delivery.for_event(
        event,
        tenant=tenant,
        receiver_id="ep_a",
        endpoint_id="ep_a",
        url="https://x.org/",
        skipped=False,
        at=after(number if at is None else at),
    )
    return made.model_copy(update=changes)


# ---- Endpoints


def test_an_endpoint_is_read_as_it_was_written(endpoints: EndpointStore) -> None:
    one = (
        endpoint(events=("image.job.failed",), description="夕暮れ")
        .rotated(after(1))
        .after_failure(after(2), gone=True)
    )
    saved = endpoints.save(one)
    assert saved == one.model_copy(update={"revision": 1})
    assert endpoints.get("shop", "ep_a") == saved
    assert list(endpoints.list_for("shop")) == [saved]


def test_an_endpoint_is_its_tenants_alone(endpoints: EndpointStore) -> None:
    one, other = endpoints.save(endpoint("ep_a")), endpoints.save(endpoint("ep_b"))
    theirs = endpoints.save(endpoint("ep_a", tenant="blog", description="theirs"))
    assert endpoints.get("blog", "ep_b") is None
    assert endpoints.get("blog", "ep_a") == theirs
    assert sorted(endpoints.list_for("shop"), key=lambda found: found.endpoint_id) == [one, other]
    assert list(endpoints.list_for("nobody")) == []


def test_of_two_who_change_an_endpoint_the_second_looks_again(endpoints: EndpointStore) -> None:
    first = endpoints.save(endpoint())
    second = endpoints.save(first.model_copy(update={"description": "second"}))
    with pytest.raises(StaleRecord):
        endpoints.save(first.model_copy(update={"description": "too late"}))
    assert endpoints.get("shop", "ep_a") == second


def test_no_endpoint_is_made_twice(endpoints: EndpointStore) -> None:
    endpoints.save(endpoint())
    with pytest.raises(StaleRecord):
        endpoints.save(endpoint(description="another"))


def test_who_changes_what_was_removed_does_not_bring_it_back(endpoints: EndpointStore) -> None:
    one = endpoints.save(endpoint())
    endpoints.delete(one)
    endpoints.delete(one)
    with pytest.raises(StaleRecord):
        endpoints.save(one)
    assert endpoints.get("shop", "ep_a") is None


# ---- Deliveries


def test_a_delivery_is_read_as_it_was_written(deliveries: DeliveryStore) -> None:
    tried = delivery().after_attempt(
        DeliveryAttempt(at=after(1.5), status_code=503, error="answered 503", duration_ms=12, answer="busy"),
        url="https://y.org/",
        retry_after="60",
    )
    assert deliveries.add(tried)
    assert deliveries.get(tried.delivery_id) == tried
    assert deliveries.get("dlv_none") is None


def test_a_delivery_needs_attention_once_its_attempt_is_long_overdue(deliveries: DeliveryStore) -> None:
    early, late, done = delivery(0, at=0), delivery(1, at=60), delivery(2, at=0)
    for each in (early, late, done):
        assert deliveries.add(each)
    deliveries.save(done.ended(DeliveryStatus.FAILED, after(1)))
    due = OVERDUE_AFTER.total_seconds()
    assert list(deliveries.needing_attention(after(due - 1), limit=9)) == []
    assert list(deliveries.needing_attention(after(due), limit=9)) == [early.delivery_id]
    assert list(deliveries.needing_attention(after(due + 60), limit=9)) == [early.delivery_id, late.delivery_id]
    assert list(deliveries.needing_attention(after(due + 60), limit=1)) == [early.delivery_id]


def test_a_delivery_that_was_looked_at_waits_until_the_next_look(deliveries: DeliveryStore) -> None:
    one = delivery(0, at=0)
    assert deliveries.add(one)
    deliveries.postpone_attention(one.delivery_id, after(4000))
    assert list(deliveries.needing_attention(after(3999), limit=9)) == []
    assert list(deliveries.needing_attention(after(4000), limit=9)) == [one.delivery_id]
    # Its next attempt is noted as if nobody had looked.
    replayed = deliveries.save(one.replayed(after(10)))
    assert list(deliveries.needing_attention(after(10 + OVERDUE_AFTER.total_seconds()), limit=9)) == [
        replayed.delivery_id
    ]


def test_to_postpone_attention_at_what_is_over_or_gone_changes_nothing(deliveries: DeliveryStore) -> None:
    one = delivery(0, at=0)
    assert deliveries.add(one)
    over = deliveries.save(one.ended(DeliveryStatus.FAILED, after(1)))
    deliveries.postpone_attention(one.delivery_id, after(1))
    deliveries.postpone_attention(delivery(1).delivery_id, after(1))
    assert deliveries.get(one.delivery_id) == over
    assert deliveries.get(delivery(1).delivery_id) is None
    assert list(deliveries.needing_attention(after(99_999), limit=9)) == []


def test_what_an_endpoint_did_not_get_is_found_by_when_it_ended_longest_ago_first(deliveries: DeliveryStore) -> None:
    late, early, skipped, delivered, replayed = (delivery(number, at=0) for number in range(5))
    for each in (late, early, skipped, delivered, replayed, delivery(5, at=0)):
        assert deliveries.add(each)
    deliveries.save(late.ended(DeliveryStatus.FAILED, after(30)))
    deliveries.save(early.ended(DeliveryStatus.FAILED, after(10.5)))
    deliveries.save(skipped.ended(DeliveryStatus.SKIPPED, after(20)))
    deliveries.save(delivered.ended(DeliveryStatus.DELIVERED, after(20)))
    again = deliveries.save(replayed.ended(DeliveryStatus.FAILED, after(20)))
    assert len(deliveries.undelivered("ep_a", after(0), limit=9)) == 4
    deliveries.save(again.replayed(after(40)))

    in_order = [early.delivery_id, skipped.delivery_id, late.delivery_id]
    assert list(deliveries.undelivered("ep_a", after(0), limit=9)) == in_order
    assert list(deliveries.undelivered("ep_a", after(10.5), limit=9)) == in_order
    assert list(deliveries.undelivered("ep_a", after(10.500001), limit=9)) == in_order[1:]
    assert list(deliveries.undelivered("ep_a", after(20), limit=1)) == in_order[1:2]
    assert list(deliveries.undelivered("ep_a", after(30.000001), limit=9)) == []
    assert list(deliveries.undelivered("ep_b", after(0), limit=9)) == []


def test_a_delivery_that_was_skipped_from_the_first_is_among_what_its_endpoint_did_not_get(
    deliveries: DeliveryStore,
) -> None:
    event = ReceivedEvent(type="x", version="1", event_id="evt_x", occurred_at="2026-11-22T10:00:00Z", data={})
    made = Delivery.for_event(
        event, tenant="shop", receiver_id="ep_a", endpoint_id="ep_a", url="https://x.org/", skipped=True, at=after(5)
    )
    assert deliveries.add(made)
    assert list(deliveries.undelivered("ep_a", after(5), limit=9)) == [made.delivery_id]


def test_a_thousand_and_one_deliveries_are_found_at_once(cloud: None) -> None:
    deliveries = deliveries_in_dynamodb()
    for number in range(MAX_RECOVERED + 2):
        # As long as real ones are.
        name = derived_id("dlv", f"{number}")
        failed = delivery(number).ended(DeliveryStatus.FAILED, after(number))
        assert deliveries.add(failed.model_copy(update={"delivery_id": name, "payload": "x" * 9}))
    assert len(deliveries.undelivered("ep_a", after(0), limit=MAX_RECOVERED + 1)) == MAX_RECOVERED + 1


def test_a_delivery_is_added_once(deliveries: DeliveryStore) -> None:
    assert deliveries.add(delivery())
    assert not deliveries.add(delivery(url="https://another.org/"))
    assert deliveries.get(delivery().delivery_id) == delivery()


def test_of_two_who_save_a_delivery_one_wins(deliveries: DeliveryStore) -> None:
    deliveries.add(delivery())
    saved = deliveries.save(delivery().ended(DeliveryStatus.FAILED, after(1)))
    assert (saved.status, saved.revision) == ("failed", 1)
    with pytest.raises(StaleRecord):
        deliveries.save(delivery().replayed(after(5)))
    assert deliveries.get(saved.delivery_id) == saved


def test_a_delivery_that_has_expired_is_not_brought_back(deliveries: DeliveryStore) -> None:
    with pytest.raises(StaleRecord):
        deliveries.save(delivery())


def ids(deliveries: DeliveryStore, tenant: str = "shop", **query: Any) -> list[str]:
    return [found.delivery_id for found in deliveries.list(tenant, DeliveryQuery(**query)).items]


def test_deliveries_are_listed_newest_first_and_to_their_tenant(deliveries: DeliveryStore) -> None:
    # Also those of a whole second, which Python writes without its microseconds.
    made = [delivery(number, at=at) for number, at in enumerate((1, 1.5, 2, 2.000001, 10))]
    for one in (*made[::2], *made[1::2], delivery(99, tenant="blog")):
        deliveries.add(one)
    assert ids(deliveries) == [one.delivery_id for one in reversed(made)]
    assert ids(deliveries, "nobody") == []
    [found] = deliveries.list("blog", DeliveryQuery()).items
    assert (found.job_id, found.status, found.created_at) == ("job_99", "pending", after(99))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "failed"}, {1}),
        ({"endpoint_id": "ep_b"}, {2}),
        ({"endpoint_id": "jobs"}, {3}),
        ({"event_type": "webhook.test"}, {2, 3}),
        ({"job_id": "job_1"}, {1}),
        ({"event_type": "webhook.test", "endpoint_id": "jobs"}, {3}),
        ({"job_id": "job_x"}, set()),
    ],
)
def test_a_list_is_narrowed_down(deliveries: DeliveryStore, query: dict[str, str], expected: set[int]) -> None:
    made = [
        delivery(0),
        delivery(1, status=DeliveryStatus.FAILED),
        delivery(2, endpoint_id="ep_b", event_type="webhook.test", job_id=None),
        delivery(3, endpoint_id=None, event_type="webhook.test"),
    ]
    for one in made:
        deliveries.add(one)
    assert set(ids(deliveries, **query)) == {made[number].delivery_id for number in expected}


@pytest.mark.parametrize("narrowed", [{}, {"status": "pending"}])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_slice_by_slice_every_delivery_comes_once(
    deliveries: DeliveryStore, limit: int, narrowed: dict[str, str]
) -> None:
    made = [delivery(number, at=number // 2) for number in range(7)]
    for one in made:
        deliveries.add(one)
    deliveries.add(delivery(8, status=DeliveryStatus.FAILED))
    found: list[str] = []
    cursor = None
    for _ in range(10):
        part = deliveries.list("shop", DeliveryQuery.model_validate({**narrowed, "limit": limit, "cursor": cursor}))
        assert len(part.items) <= limit
        found += [one.delivery_id for one in part.items]
        if part.end is None:
            break
        cursor = cursor_of(part.end)
    wanted = {one.delivery_id for one in made} | (set() if narrowed else {delivery(8).delivery_id})
    assert len(found) == len(set(found))
    assert set(found) == wanted


# ---- The tables themselves


def test_a_list_that_passes_by_much_says_that_there_may_be_more(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_deliveries, "_MAX_READ", 4)
    store = deliveries_in_dynamodb()
    for number in range(10):
        store.add(delivery(number, status=DeliveryStatus.FAILED if number == 0 else DeliveryStatus.PENDING))
    found: list[DeliverySummary] = []
    cursor = None
    for _ in range(10):
        query = DeliveryQuery.model_validate({"status": "failed", "cursor": cursor})
        part = store.list("shop", query)
        found += part.items
        if part.end is None:
            break
        cursor = cursor_of(part.end)
    assert [one.job_id for one in found] == ["job_0"]


def test_a_list_reads_no_messages(cloud: None) -> None:
    store = deliveries_in_dynamodb()
    store.add(delivery())
    [item] = items("deliveries")
    assert "夕暮れ" in item["document"]["S"]
    assert "夕暮れ" not in item["summary"]["S"]


def test_a_delivery_expires_a_month_after_it_was_last_touched(cloud: None) -> None:
    store = deliveries_in_dynamodb()
    store.add(delivery())
    [item] = items("deliveries")
    assert int(item["expires_at"]["N"]) == int((after(0) + RETENTION).timestamp())
    store.save(delivery().replayed(after(0) + timedelta(days=9)))
    [item] = items("deliveries")
    assert int(item["expires_at"]["N"]) == int((after(0) + timedelta(days=9) + RETENTION).timestamp())


ENDPOINT_CALLS: list[tuple[str, Callable[[EndpointStore], object]]] = [
    ("get_item", lambda store: store.get("shop", "ep_a")),
    ("query", lambda store: store.list_for("shop")),
    ("put_item", lambda store: store.save(endpoint())),
    ("delete_item", lambda store: store.delete(endpoint())),
]
DELIVERY_CALLS: list[tuple[str, Callable[[DeliveryStore], object]]] = [
    ("put_item", lambda store: store.add(delivery())),
    ("get_item", lambda store: store.get("dlv_x")),
    ("put_item", lambda store: store.save(delivery())),
    ("query", lambda store: store.list("shop", DeliveryQuery())),
]


@pytest.mark.parametrize(("operation", "call"), ENDPOINT_CALLS)
def test_whatever_dynamodb_says_of_endpoints_is_a_failed_storage(
    cloud: None, operation: str, call: Callable[[EndpointStore], object]
) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error(operation, "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(StorageFailed, match="ProvisionedThroughputExceededException"):
            call(DynamoDBEndpointStore(client, "endpoints"))


@pytest.mark.parametrize(("operation", "call"), DELIVERY_CALLS)
def test_whatever_dynamodb_says_of_deliveries_is_a_failed_storage(
    cloud: None, operation: str, call: Callable[[DeliveryStore], object]
) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error(operation, "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(StorageFailed, match="ProvisionedThroughputExceededException"):
            call(DynamoDBDeliveryStore(client, "deliveries"))


# ---- Executions


def test_a_series_has_one_execution_named_after_it(deployment: Deployment) -> None:
    workflow = StepFunctionsDeliveryWorkflow(aws.step_functions(), deployment.delivery_machine_arn)
    assert workflow.start(delivery())
    assert workflow.start(delivery().replayed(after(1)))
    machine = deployment.delivery_machine_arn
    found = aws.step_functions().list_executions(stateMachineArn=machine)["executions"]
    assert {one["name"] for one in found} == {f"{delivery().delivery_id}-1", f"{delivery().delivery_id}-2"}
    told = aws.step_functions().describe_execution(executionArn=found[0]["executionArn"])["input"]
    assert "payload" not in told


def test_what_step_functions_does_not_begin_is_a_failed_workflow(deployment: Deployment) -> None:
    client = aws.step_functions()
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", "ExecutionAlreadyExists")
        stub.add_client_error("start_execution", "ExecutionLimitExceeded")
        workflow = StepFunctionsDeliveryWorkflow(client, deployment.delivery_machine_arn)
        assert not workflow.start(delivery())
        with pytest.raises(WorkflowFailed, match="ExecutionLimitExceeded"):
            workflow.start(delivery())
