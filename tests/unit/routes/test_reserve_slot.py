"""Slots: one atomic write for a slot, none for its ticket, and races that lose no slot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.kernel.errors import StorageFailed
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import SLOT, Ticket
from heliograph.routes.reserve_slot import QueueSlot, QueueSlots

from tests.fakes.route_states import InMemoryRouteStates

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROUTE = Route(provider="apimodels", model="m", price_usd="0.06", max_references=16)
LATER = START + timedelta(hours=1)


def weight(tenant: str) -> int:
    return 3 if tenant == "heavy" else 1


def slots(states: InMemoryRouteStates) -> QueueSlots:
    return QueueSlots(states=states, weights=weight)


def ask(
    states: InMemoryRouteStates,
    tenant: str = "a",
    *,
    ticket: Ticket | None = None,
    before: datetime = LATER,
    now: datetime = START,
) -> QueueSlot | None:
    """As `dispatch` does: looks, then asks for its turn."""
    state = states.snapshot([ROUTE]).routes[ROUTE.name]
    return slots(states).reserve(ROUTE, tenant, state=state, ticket=ticket, before=before, now=now)


def asked(states: InMemoryRouteStates, tenant: str = "a", *, ticket: Ticket | None = None) -> QueueSlot:
    turn = ask(states, tenant, ticket=ticket)
    assert turn
    return turn


def seconds_of(*turns: QueueSlot) -> list[float]:
    return [(turn.starts_at - START).total_seconds() for turn in turns]


@pytest.fixture
def states() -> InMemoryRouteStates:
    return InMemoryRouteStates()


def test_an_idle_route_is_free_at_once(states: InMemoryRouteStates) -> None:
    assert ask(states) == QueueSlot(Ticket(route="m", finish_tag=SLOT), START)


def test_slots_of_one_tenant_start_one_after_another(states: InMemoryRouteStates) -> None:
    assert seconds_of(*(asked(states) for _ in range(4))) == [0, 0.5, 1, 1.5]


def test_a_slot_costs_one_write_and_its_ticket_none(states: InMemoryRouteStates) -> None:
    turns = [asked(states) for _ in range(3)]
    assert states.writes == 3

    assert [ask(states, ticket=turn.ticket) for turn in turns] == turns
    assert states.writes == 3


def test_each_tenant_has_its_own_flow(states: InMemoryRouteStates) -> None:
    for _ in range(10):
        asked(states)

    assert seconds_of(asked(states, "b"))[0] <= 0.5


def test_a_ticket_whose_slot_was_delayed_gets_the_later_start(states: InMemoryRouteStates) -> None:
    second = [asked(states) for _ in range(4)][-1]
    asked(states, "b")
    asked(states, "b")

    again = asked(states, ticket=second.ticket)

    assert again.ticket == second.ticket
    assert again.starts_at > second.starts_at


def test_a_ticket_for_another_route_is_ignored(states: InMemoryRouteStates) -> None:
    asked(states)

    turn = asked(states, ticket=Ticket(route="another", finish_tag=7 * SLOT))

    assert turn == QueueSlot(Ticket(route="m", finish_tag=2 * SLOT), START + timedelta(seconds=0.5))


@pytest.mark.parametrize("tenant", ["a", "b"], ids=["a lane that is busy", "a lane that is not"])
def test_a_slot_that_would_start_too_late_is_not_reserved(states: InMemoryRouteStates, tenant: str) -> None:
    for _ in range(20):
        asked(states)
    writes = states.writes
    moment = asked(states, ticket=Ticket(route="m", finish_tag=21 * SLOT)).starts_at if tenant == "a" else START

    assert ask(states, tenant, before=moment) is None

    assert states.writes == writes
    assert ask(states, tenant) is not None


def test_a_ticket_is_kept_even_if_its_slot_now_starts_too_late(states: InMemoryRouteStates) -> None:
    turn = [asked(states) for _ in range(5)][-1]

    assert ask(states, ticket=turn.ticket, before=START) == turn


# --- races


def test_two_tenants_at_once_each_get_a_slot(states: InMemoryRouteStates) -> None:
    inner: list[QueueSlot] = []
    states.on("save", lambda: inner.append(asked(states, "b")))

    outer = asked(states, "a")

    assert {turn.ticket.finish_tag for turn in (*inner, outer)} == {SLOT}
    assert states.snapshot([ROUTE]).routes["m"].queue.finish_tags == {"a": SLOT, "b": SLOT}


def test_two_jobs_of_a_tenant_that_start_its_flow_at_once_get_different_slots(states: InMemoryRouteStates) -> None:
    inner: list[QueueSlot] = []
    states.on("save", lambda: inner.append(asked(states)))

    outer = asked(states)

    assert seconds_of(inner[0], outer) == [0, 0.5]


def test_two_jobs_that_extend_a_flow_at_once_get_different_slots(states: InMemoryRouteStates) -> None:
    asked(states)
    inner: list[QueueSlot] = []
    states.on("extend_flow", lambda: inner.append(asked(states)))

    outer = asked(states)

    assert seconds_of(inner[0], outer) == [0.5, 1]


def test_a_flow_that_was_removed_meanwhile_is_started_again(states: InMemoryRouteStates) -> None:
    asked(states)
    stale = states.snapshot([ROUTE]).routes["m"]
    # Somebody else, a minute later, finds the lane idle and forgets it.
    assert ask(states, "b", now=START + timedelta(minutes=1))

    turn = slots(states).reserve(ROUTE, "a", state=stale, ticket=None, before=LATER, now=START)

    assert turn
    assert "a" in states.snapshot([ROUTE]).routes["m"].queue.finish_tags


def test_many_jobs_of_one_tenant_at_once_all_get_slots(states: InMemoryRouteStates) -> None:
    inner: list[QueueSlot] = []

    def meanwhile() -> None:
        inner.append(asked(states))

    for _ in range(3):
        states.on("save", meanwhile)
        states.on("extend_flow", meanwhile)

    inner.append(asked(states))

    assert len({turn.ticket.finish_tag for turn in inner}) == len(inner)


def join_before_us(states: InMemoryRouteStates, times: int) -> None:
    """Other tenants join just before us, one at each try of ours, and change what our place was measured by."""
    for number in range(times):

        def meanwhile(tenant: str = f"other-{number}") -> None:
            asked(states, tenant)

        states.on("save", meanwhile, None)


def test_a_job_that_loses_some_races_still_gets_a_slot(states: InMemoryRouteStates) -> None:
    join_before_us(states, 4)

    assert asked(states).ticket.finish_tag == SLOT
    assert len(states.snapshot([ROUTE]).routes["m"].queue.finish_tags) == 5


def test_a_job_that_loses_every_race_raises_and_reserves_no_slot(states: InMemoryRouteStates) -> None:
    join_before_us(states, 6)

    with pytest.raises(StorageFailed, match="changes too often"):
        ask(states)

    assert "a" not in states.snapshot([ROUTE]).routes["m"].queue.finish_tags


def test_a_failed_store_raises_and_reserves_no_slot(states: InMemoryRouteStates) -> None:
    states.on("save", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        ask(states)

    assert states.writes == 0
