"""Deliveries that nothing carries are found by the sweep, and carried on: once, and never two at a time."""

from __future__ import annotations

import pytest
from heliograph.kernel.errors import StaleRecord, StorageFailed, WorkflowFailed
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import OVERDUE_AFTER, Delivery, DeliveryStatus
from heliograph.webhooks.sweep_deliveries import DeliverySweeper

from tests.fakes.clock import SteppingClock
from tests.fakes.script import Crash
from tests.fakes.webhooks import InMemoryDeliveryStore, InMemoryDeliveryWorkflow

LONG = OVERDUE_AFTER.total_seconds()
HOUR = 3600


class Here:
    """The stores around the sweep of deliveries."""

    def __init__(self) -> None:
        self.deliveries = InMemoryDeliveryStore()
        self.workflow = InMemoryDeliveryWorkflow()
        self.clock = SteppingClock()

    def sweep(self) -> list[str]:
        return DeliverySweeper(deliveries=self.deliveries, workflow=self.workflow, clock=self.clock).sweep()


@pytest.fixture
def here() -> Here:
    return Here()


def pending(here: Here, number: int = 0) -> Delivery:
    """Written down; its execution was never started."""
    event = ReceivedEvent(
        type="image.job.failed", version="1", event_id=f"evt_{number}", occurred_at="2026-11-22T10:00:00Z", data={}
    )
    made = Delivery.for_event(
        event,
        tenant="default",
        receiver_id="ep_a",
        endpoint_id="ep_a",
        url="https://x.org/",
        skipped=False,
        at=here.clock.now(),
    )
    assert here.deliveries.add(made)
    return made


def kept(here: Here, delivery: Delivery) -> Delivery:
    found = here.deliveries.peek(delivery.delivery_id)
    assert found
    return found


def test_a_delivery_whose_execution_never_started_is_started_once(here: Here) -> None:
    delivery = pending(here)
    assert here.sweep() == []
    here.clock.step(LONG)

    assert here.sweep() == [f"started {delivery.execution}"]
    assert here.workflow.executions == [delivery.execution]
    assert here.sweep() == []


def test_a_delivery_whose_execution_waits_for_hours_keeps_it_and_is_looked_at_by_the_hour(
    here: Here,
) -> None:
    delivery = pending(here)
    here.workflow.start(delivery)
    here.clock.step(LONG)
    for _ in range(12):
        here.sweep()
        here.clock.step(300)

    assert here.workflow.executions == [delivery.execution]
    assert kept(here, delivery) == delivery
    assert here.workflow.starts == 2


def test_a_delivery_whose_execution_ended_without_ending_it_has_failed_and_can_be_replayed(
    here: Here,
) -> None:
    delivery = pending(here)
    here.workflow.start(delivery)
    here.workflow.ended.add(delivery.execution)
    here.clock.step(LONG)

    assert here.sweep() == [f"failed {delivery.execution}: its execution is over"]
    assert kept(here, delivery).status is DeliveryStatus.FAILED
    again = here.deliveries.save(kept(here, delivery).replayed(here.clock.now()))
    here.clock.step(LONG)
    assert here.sweep() == [f"started {again.execution}"]


@pytest.mark.parametrize("when", ["before it is looked at", "while it is looked at"])
def test_a_delivery_that_ends_meanwhile_keeps_its_end(here: Here, when: str) -> None:
    delivery = pending(here)
    here.workflow.start(delivery)
    here.workflow.ended.add(delivery.execution)
    here.clock.step(LONG)

    def taken() -> None:
        here.deliveries.save(delivery.ended(DeliveryStatus.DELIVERED, here.clock.now()))

    if when == "before it is looked at":
        here.deliveries.on("postpone_attention", taken)
    else:
        here.workflow.on("start", taken)

    assert here.sweep() == []
    assert kept(here, delivery).status is DeliveryStatus.DELIVERED


def test_of_an_end_and_the_sweep_in_the_same_moment_the_end_is_kept(here: Here) -> None:
    delivery = pending(here)
    here.workflow.start(delivery)
    here.workflow.ended.add(delivery.execution)
    here.clock.step(LONG)
    here.deliveries.on("save", StaleRecord(delivery.delivery_id))

    assert here.sweep() == []


@pytest.mark.parametrize(
    ("method", "error"),
    [("get", StorageFailed("away")), ("postpone_attention", StorageFailed("away")), ("start", WorkflowFailed("away"))],
)
def test_what_is_wrong_with_one_delivery_keeps_no_other_waiting(here: Here, method: str, error: Exception) -> None:
    one, other = pending(here, 0), pending(here, 1)
    here.clock.step(LONG)
    (here.workflow if method == "start" else here.deliveries).on(method, error)

    assert sorted(word.split()[0] for word in here.sweep()) == ["left", "started"]
    here.clock.step(HOUR)
    here.sweep()
    assert sorted(here.workflow.executions) == sorted([one.execution, other.execution])


def test_a_table_that_is_away_is_an_error_that_is_seen(here: Here) -> None:
    here.deliveries.on("needing_attention", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        here.sweep()


def test_a_sweep_that_dies_of_one_delivery_goes_on_with_the_others(here: Here) -> None:
    one, other = sorted((pending(here, 0), pending(here, 1)), key=lambda each: each.delivery_id)
    here.clock.step(LONG)
    here.workflow.on("start", Crash())
    with pytest.raises(Crash):
        here.sweep()

    assert here.sweep() == [f"started {other.execution}"]
    here.clock.step(HOUR)
    assert f"started {one.execution}" in here.sweep()


def test_a_sweep_looks_after_so_many_and_the_next_one_after_the_rest(here: Here) -> None:
    made = [pending(here, number) for number in range(250)]
    here.clock.step(LONG)

    assert len(here.sweep()) == 200
    assert len(here.sweep()) == 50
    assert len(set(here.workflow.executions)) == len(made)
