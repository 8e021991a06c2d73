"""Route states: the unit tests' fake and DynamoDB behave alike, call by call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.stub import Stubber
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws
from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
from heliograph.routes.circuit_breaker import IN_A_ROW, Circuit
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import SLOT, FairQueue
from heliograph.routes.poll_schedule import KEPT_LATENCIES, Latencies
from heliograph.routes.ports import RouteStates
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause
from hypothesis import event, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.examples import after
from tests.fakes.route_states import InMemoryRouteStates
from tests.integration.conftest import items, table

BETA = Route(provider="apimodels", model="gpt-image-2-beta", price_usd="0.06", max_references=16)
SECOND = Route(provider="kie", model="gpt-image-2", price_usd="0.05", max_references=10, creates_per_minute=30)
PAUSE = SpendingPause(since=after(0), reason="the bill looks odd")


def in_dynamodb() -> RouteStates:
    return DynamoDBRouteStates(aws.dynamodb(), table("routes"))


@pytest.fixture(params=[InMemoryRouteStates, in_dynamodb], ids=["in memory", "in DynamoDB"])
def states(request: pytest.FixtureRequest, cloud: None) -> RouteStates:
    """Either of them, empty."""
    found: RouteStates = request.param()
    return found


def now_of(states: RouteStates, route: Route = BETA) -> RouteState:
    return states.snapshot([route]).routes[route.name]


def weights(tenant: str) -> int:
    return {"vip": 4}.get(tenant, 1)


def joined(states: RouteStates, *tenants: str, seconds: float = 0) -> RouteState:
    """The route, with these tenants waiting since then."""
    for tenant in tenants:
        before = now_of(states)
        assert states.save(before, before.with_queue(before.queue.with_slot(tenant, after(seconds), weights)))
    return now_of(states)


def with_flows(state: RouteState, **flows: int | None) -> RouteState:
    """With these flows changed; `None`: drained."""
    changed = {**state.queue.finish_tags, **flows}
    kept = {tenant: finish for tenant, finish in changed.items() if finish is not None}
    return state.with_queue(state.queue.model_copy(update={"finish_tags": kept}))


def test_unused_routes_have_their_initial_state(states: RouteStates) -> None:
    assert states.snapshot([BETA, SECOND]) == RoutesSnapshot(
        spending_pause=None,
        routes={
            BETA.name: RouteState(route=BETA.name, queue=FairQueue(interval_us=500_000)),
            SECOND.name: RouteState(route=SECOND.name, queue=FairQueue(interval_us=2_000_000)),
        },
    )


def test_a_snapshot_has_only_the_requested_routes(states: RouteStates) -> None:
    joined(states, "shop")
    assert set(states.snapshot([SECOND]).routes) == {SECOND.name}
    assert states.snapshot([]).routes == {}


def test_a_saved_state_is_read_completely(states: RouteStates) -> None:
    before = now_of(states)
    failing = before.breaker
    for second in range(IN_A_ROW):
        failing = failing.after_failure(
            "the provider failed with 502: Bad Gateway", after(second + 0.25), began_at=after(second + 0.25)
        )
    queue = before.queue.with_slot("shop", after(0), weights).decreased(after(1.5), weights, BETA, wait_seconds=7)
    changed = before.with_breaker(failing).with_queue(queue)
    assert states.save(before, changed)
    found = now_of(states)
    assert found == changed.model_copy(update={"revision": 1})
    assert found.breaker.circuit(after(10)) is Circuit.OPEN
    assert now_of(states, SECOND).revision == 0


def test_the_last_latencies_are_kept(states: RouteStates) -> None:
    taken = [number * 7.3 for number in range(KEPT_LATENCIES + 5)]
    for number, seconds in enumerate(taken):
        before = now_of(states)
        assert states.save(before, before.with_latencies(before.latencies.with_latency(seconds)))
        if number == 0:
            assert now_of(states).latencies.seconds == (0.0,)

    assert now_of(states).latencies.seconds == tuple(round(seconds, 1) for seconds in taken[5:])
    joined(states, "shop")
    assert len(now_of(states).latencies.seconds) == KEPT_LATENCIES
    assert now_of(states, SECOND).latencies == Latencies()


def test_the_callback_share_is_kept_with_the_latencies(states: RouteStates) -> None:
    before = now_of(states)
    assert before.latencies.callback_share == Latencies().callback_share
    known = before.latencies.with_latency(20).with_callback()
    assert states.save(before, before.with_latencies(known))

    assert now_of(states).latencies == known


def test_of_two_writers_with_the_same_state_one_saves(states: RouteStates) -> None:
    seen = now_of(states)
    first = seen.with_breaker(seen.breaker.disabled("a drill", after(0)))
    assert states.save(seen, first)
    assert not states.save(seen, seen.with_breaker(seen.breaker.after_success(after(0), began_at=after(0))))
    assert now_of(states) == first.model_copy(update={"revision": 1})


def test_a_writer_that_read_again_saves(states: RouteStates) -> None:
    for revision in range(1, 4):
        seen = now_of(states)
        assert states.save(
            seen, seen.with_breaker(seen.breaker.after_success(after(revision), began_at=after(revision)))
        )
        assert now_of(states).revision == revision


@pytest.mark.parametrize("revision", [1, 7])
def test_a_state_with_an_unknown_revision_is_not_saved(states: RouteStates, revision: int) -> None:
    seen = now_of(states).model_copy(update={"revision": revision})
    assert not states.save(seen, seen)
    assert now_of(states).revision == 0


# ---- The queue


def test_a_backlogged_flow_is_extended_and_the_state_after_it_returned(states: RouteStates) -> None:
    before = joined(states, "shop", "vip")
    after_it = states.extend_flow(BETA, "shop", length=SLOT, beyond=0)
    assert after_it == with_flows(before, shop=before.queue.finish_tags["shop"] + SLOT)
    assert now_of(states) == after_it


def test_each_extension_has_its_own_finish_tag(states: RouteStates) -> None:
    joined(states, "shop")
    places = [
        found.queue.finish_tags["shop"]
        for _ in range(5)
        if (found := states.extend_flow(BETA, "shop", length=SLOT, beyond=0))
    ]
    assert places == [SLOT * n for n in range(2, 7)]


def test_extending_a_flow_keeps_the_revision(states: RouteStates) -> None:
    before = joined(states, "shop")
    states.extend_flow(BETA, "shop", length=SLOT, beyond=0)
    assert now_of(states).revision == before.revision
    # Who saw the state before saves, and the new place is kept.
    assert states.save(before, before.with_breaker(before.breaker.after_success(after(1), began_at=after(1))))
    assert now_of(states).queue.finish_tags == {"shop": 2 * SLOT}


@pytest.mark.parametrize("beyond", [SLOT, SLOT + 1])
def test_an_idle_flow_is_not_extended(states: RouteStates, beyond: int) -> None:
    before = joined(states, "shop")
    assert states.extend_flow(BETA, "shop", length=SLOT, beyond=beyond) is None
    assert now_of(states) == before
    assert states.extend_flow(BETA, "shop", length=SLOT, beyond=SLOT - 1)


@pytest.mark.parametrize("tenant", ["press", "sho", "shop2", "interval_us"])
def test_a_missing_flow_is_not_extended(states: RouteStates, tenant: str) -> None:
    before = joined(states, "shop")
    assert states.extend_flow(BETA, tenant, length=SLOT, beyond=0) is None
    assert now_of(states) == before


def test_no_flow_of_an_unused_route_is_extended(states: RouteStates) -> None:
    assert states.extend_flow(BETA, "shop", length=SLOT, beyond=-1) is None
    assert now_of(states).revision == 0


@pytest.mark.parametrize("tenant", ["default", "a.b", "a-b_c", "0", "breaker", "revision", "x" * 64])
def test_any_tenants_name_can_have_a_flow(states: RouteStates, tenant: str) -> None:
    joined(states, tenant)
    assert states.extend_flow(BETA, tenant, length=SLOT, beyond=0)
    assert now_of(states).queue.finish_tags == {tenant: 2 * SLOT}
    drained = now_of(states)
    assert states.save(drained, with_flows(drained, **{tenant: None}))
    assert now_of(states).queue.finish_tags == {}


# ---- Lanes and saves


def test_an_idle_flow_is_removed(states: RouteStates) -> None:
    before = joined(states, "shop", "press")
    later = before.with_queue(before.queue.with_slot("vip", after(3600), weights))
    assert set(later.queue.finish_tags) == {"vip"}
    assert states.save(before, later)
    assert now_of(states) == later.model_copy(update={"revision": before.revision + 1})


def test_a_flow_that_was_extended_meanwhile_is_not_overwritten(states: RouteStates) -> None:
    before = joined(states, "shop")
    added = states.extend_flow(BETA, "shop", length=SLOT, beyond=0)
    for shop in (None, SLOT + 1, 5 * SLOT):
        assert not states.save(before, with_flows(before, shop=shop))
    assert now_of(states) == added


def test_a_flow_that_was_started_meanwhile_is_not_started_again(states: RouteStates) -> None:
    seen = joined(states, "press")
    joined(states, "shop")
    stolen = with_flows(seen, shop=9 * SLOT).model_copy(update={"revision": now_of(states).revision})
    assert not states.save(seen.model_copy(update={"revision": now_of(states).revision}), stolen)
    assert now_of(states).queue.finish_tags["shop"] == SLOT


def test_a_flow_that_was_removed_meanwhile_is_not_changed(states: RouteStates) -> None:
    seen = joined(states, "shop")
    assert states.save(seen, with_flows(seen, shop=None))
    current = seen.model_copy(update={"revision": now_of(states).revision})
    assert not states.save(current, with_flows(current, shop=9 * SLOT))
    assert now_of(states).queue.finish_tags == {}


def test_flows_that_a_save_does_not_change_are_kept(states: RouteStates) -> None:
    before = joined(states, "shop", "press")
    states.extend_flow(BETA, "shop", length=SLOT, beyond=0)
    assert states.save(before, with_flows(before, press=7 * SLOT))
    assert now_of(states).queue.finish_tags == {"shop": 2 * SLOT, "press": 7 * SLOT}


# ---- The switch


def test_spending_is_paused_and_resumed(states: RouteStates) -> None:
    states.set_spending_pause(PAUSE)
    assert states.snapshot([BETA]).spending_pause == PAUSE
    again = SpendingPause(since=after(60), reason="夕暮れ")
    states.set_spending_pause(again)
    assert states.snapshot([]).spending_pause == again
    for _ in range(2):
        states.set_spending_pause(None)
        assert states.snapshot([BETA]).spending_pause is None


def test_a_spending_pause_leaves_the_routes_unchanged(states: RouteStates) -> None:
    before = joined(states, "shop")
    states.set_spending_pause(PAUSE)
    assert states.snapshot([BETA, SECOND]).routes[BETA.name] == before
    assert states.extend_flow(BETA, "shop", length=SLOT, beyond=0)
    states.set_spending_pause(None)
    assert now_of(states).queue.finish_tags == {"shop": 2 * SLOT}


# ---- Anything, in any order

Act = Callable[[RouteStates, list[RouteState]], object]
TENANTS = st.sampled_from(["shop", "press", "vip"])
AMOUNTS = st.integers(0, 4).map(lambda slots: slots * SLOT // 2)


def looking(route: Route) -> Act:
    def act(states: RouteStates, seen: list[RouteState]) -> object:
        seen.append(now_of(states, route))
        return states.snapshot([BETA, SECOND])

    return act


def queueing(route: Route, tenant: str, beyond: int) -> Act:
    return lambda states, _: states.extend_flow(route, tenant, length=SLOT, beyond=beyond)


def saving(which: int, flows: dict[str, int | None], second: int) -> Act:
    """Of something that was seen at some time."""

    def act(states: RouteStates, seen: list[RouteState]) -> object:
        before = seen[which % len(seen)]
        return states.save(
            before,
            with_flows(
                before.with_breaker(before.breaker.after_success(after(second), began_at=after(second))), **flows
            ),
        )

    return act


ROUTES = st.sampled_from([BETA, SECOND])
ACTS = st.one_of(
    st.builds(looking, ROUTES),
    st.builds(queueing, ROUTES, TENANTS, AMOUNTS),
    st.builds(
        saving, st.integers(-3, -1), st.dictionaries(TENANTS, st.none() | AMOUNTS, max_size=2), st.integers(0, 99)
    ),
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.lists(ACTS, min_size=5, max_size=40))
def test_both_stores_return_the_same_after_any_operations(credentials: None, acts: list[Act]) -> None:
    with mock_aws():
        fake, real = InMemoryRouteStates(), in_dynamodb()
        seen: tuple[list[RouteState], list[RouteState]] = ([joined(fake, "shop", "vip")], [joined(real, "shop", "vip")])
        for act in acts:
            answer = act(fake, seen[0])
            assert act(real, seen[1]) == answer
            event(f"{act.__qualname__.split('.')[0]}: {answer if isinstance(answer, bool) else type(answer).__name__}")
            assert real.snapshot([BETA, SECOND]) == fake.snapshot([BETA, SECOND])


# ---- The table itself


def test_a_route_is_one_item_and_the_spending_pause_another(cloud: None) -> None:
    states = in_dynamodb()
    joined(states, "shop")
    states.set_spending_pause(PAUSE)
    found = {item["route"]["S"]: item for item in items("routes")}
    assert set(found) == {"*", BETA.name}
    assert found[BETA.name]["flow:shop"] == {"N": str(SLOT)}


def test_routes_are_read_consistently_and_together(cloud: None) -> None:
    client = aws.dynamodb()
    keys = [{"route": {"S": name}} for name in ("*", BETA.name, SECOND.name)]
    expected = {"RequestItems": {"routes": {"Keys": keys, "ConsistentRead": True}}}
    with Stubber(client) as stub:
        stub.add_response("batch_get_item", {"Responses": {}}, expected)
        assert DynamoDBRouteStates(client, "routes").snapshot([BETA, SECOND]).spending_pause is None


def test_an_incomplete_snapshot_raises(cloud: None) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        unread = {"routes": {"Keys": [{"route": {"S": "*"}}]}}
        stub.add_response("batch_get_item", {"Responses": {"routes": []}, "UnprocessedKeys": unread})
        with pytest.raises(StorageFailed, match="not all could be read"):
            DynamoDBRouteStates(client, "routes").snapshot([BETA])


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "TransactionConflictException"])
def test_any_other_error_of_dynamodb_is_a_storage_failure_that_names_the_route(cloud: None, code: str) -> None:
    client = aws.dynamodb()
    states = DynamoDBRouteStates(client, "routes")
    state = RouteState(route=BETA.name, queue=FairQueue.starting(BETA))
    with Stubber(client) as stub:
        for operation in ("batch_get_item", "update_item", "update_item", "put_item", "delete_item"):
            stub.add_client_error(operation, code, http_status_code=400)
        with pytest.raises(StorageFailed, match=f"routes: {code}"):
            states.snapshot([BETA])
        with pytest.raises(StorageFailed, match=f"{BETA.name}: {code}"):
            states.extend_flow(BETA, "shop", length=1, beyond=0)
        with pytest.raises(StorageFailed, match=f"{BETA.name}: {code}"):
            states.save(state, state)
        for pause in (PAUSE, None):
            with pytest.raises(StorageFailed, match=f"the spending pause: {code}"):
                states.set_spending_pause(pause)
