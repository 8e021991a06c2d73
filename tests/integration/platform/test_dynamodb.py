"""Tables of DynamoDB, against moto: plain values, whole names, conditions that fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from heliograph.kernel.errors import StaleRecord, StorageFailed
from heliograph.platform import aws
from heliograph.platform.dynamodb import Attribute, Table, transact
from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
from heliograph.routes.fair_queue import FairQueue
from heliograph.routes.state import RouteState

from tests.examples import ROUTE
from tests.integration.conftest import items, table

KEY = {"id": "a"}
# Of an expression, in bytes: DynamoDB's "Service quotas", "Expression parameters".
LONGEST_EXPRESSION = 4096


@pytest.fixture
def calls(cloud: None) -> Table:
    return Table(aws.dynamodb(), table("calls"))


def read(calls: Table) -> Any:
    return calls.get(KEY, about="a")


def test_plain_values_are_written_as_dynamodb_types_and_read_back(calls: Table) -> None:
    item: dict[str, Any] = {
        "text": "x",
        "whole": 7,
        "share": Decimal("0.25"),
        "yes": True,
        "tags": frozenset({"b", "c"}),
    }
    calls.put({**KEY, **item}, about="a")
    [wire] = items("calls")
    wire["tags"]["SS"].sort()
    assert wire == {
        "id": {"S": "a"},
        "text": {"S": "x"},
        "whole": {"N": "7"},
        "share": {"N": "0.25"},
        "yes": {"BOOL": True},
        "tags": {"SS": ["b", "c"]},
    }
    assert read(calls) == {**KEY, **item}


@pytest.mark.parametrize("number", [0, -1, 10**18, 10**37, 1_764_300_000_000_000])
def test_whole_numbers_stay_whole(calls: Table, number: int) -> None:
    calls.put({**KEY, "number": number}, about="a")
    found = read(calls)["number"]
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("absent", [None, frozenset()])
def test_nothing_and_empty_sets_are_no_attributes(calls: Table, absent: Any) -> None:
    calls.put({**KEY, "a": absent, "b": 1}, about="a")
    assert read(calls) == {**KEY, "b": 1}
    calls.update(KEY, assign={"b": absent, "c": 2}, about="a")
    assert read(calls) == {**KEY, "c": 2}


def test_a_float_is_refused_and_nothing_written(calls: Table) -> None:
    with pytest.raises(TypeError, match="Float"):
        calls.put({**KEY, "number": 0.1}, about="a")  # type: ignore[dict-item]
    assert items("calls") == []


@pytest.mark.parametrize("name", ["lane:acme.com", "wait#a", "x[0]", "a.b.c", "]", "size", "with space", "-"])
def test_any_name_is_a_whole_name_in_every_expression(calls: Table, name: str) -> None:
    calls.update(KEY, assign={name: 1}, about="a")
    assert calls.update_if(KEY, Attribute(name).eq(1), add={name: 2}, about="a") is not None
    assert read(calls) == {**KEY, name: 3}
    assert calls.update_if(KEY, Attribute(name).not_exists(), assign={name: None}, about="a") is None
    assert calls.update_if(KEY, Attribute(name).exists(), assign={name: None}, about="a") is not None
    assert read(calls) == KEY


def test_all_of_several_conditions_must_hold(calls: Table) -> None:
    calls.put({**KEY, "a": 1, "b": 2}, about="a")
    either = Attribute("a").eq(9) | Attribute("b").eq(2)
    assert calls.put_if({**KEY, "a": 5}, either, Attribute("a").eq(2), about="a") is False
    assert read(calls) == {**KEY, "a": 1, "b": 2}
    assert calls.put_if({**KEY, "a": 5}, Attribute("a").eq(1), either, about="a") is True
    assert read(calls) == {**KEY, "a": 5}


def test_a_transaction_names_the_parts_whose_conditions_do_not_hold(calls: Table) -> None:
    parts = [
        calls.part_put({"id": "a"}, Attribute("id").not_exists()),
        calls.part_update({"id": "b"}, Attribute("id").exists(), add={"n": 1}),
        calls.part_check({"id": "c"}, Attribute("id").exists()),
    ]
    assert transact(calls.client, parts, about="a") == [1, 2]
    assert items("calls") == []
    assert not transact(calls.client, parts[:1], about="a")
    assert read(calls) == KEY


def test_the_next_revision_is_written_over_the_one_that_was_read(calls: Table) -> None:
    calls.put_next_revision({**KEY, "revision": 1}, key="id", read=None, about="a")
    with pytest.raises(StaleRecord):
        calls.put_next_revision({**KEY, "revision": 1}, key="id", read=None, about="a")
    calls.put_next_revision({**KEY, "revision": 2}, key="id", read=1, about="a")
    with pytest.raises(StaleRecord):
        calls.put_next_revision({**KEY, "revision": 2}, key="id", read=1, about="a")


def test_a_table_that_is_not_there_is_named_with_what_the_call_was_for(cloud: None) -> None:
    with pytest.raises(StorageFailed, match=r"my call: ResourceNotFoundException \(there is no such table or index\)"):
        Table(aws.dynamodb(), "nowhere").get(KEY, about="my call")


def test_the_flows_of_tenants_with_dots_in_their_names_are_saved_one_by_one(cloud: None) -> None:
    states = DynamoDBRouteStates(aws.dynamodb(), table("routes"))
    finish_tags = {f"tenant-{number}.example.com": number for number in range(1, 30)}
    queue = FairQueue.starting(ROUTE)
    new = RouteState(route=ROUTE.name, queue=queue)
    assert states.save(new, new.with_queue(queue.model_copy(update={"finish_tags": finish_tags})))
    saved = states.snapshot([ROUTE]).routes[ROUTE.name]
    assert saved.queue.finish_tags == finish_tags
    assert states.save(saved, saved.with_queue(queue)), "every finish tag is as it was read"
    assert states.snapshot([ROUTE]).routes[ROUTE.name].queue.finish_tags == {}


def test_conditions_and_assignments_of_two_hundred_flows_fit_into_one_request(credentials: None) -> None:
    # A route has a condition and an assignment for each finish tag that changes.
    flows = {f"flow:tenant-{number}": number for number in range(225)}
    unchanged = [Attribute(lane).eq(place) for lane, place in flows.items()]
    part: Any = Table(aws.dynamodb(), "routes").part_update(KEY, *unchanged, assign=flows)
    assert len(part["Update"]["ConditionExpression"]) <= LONGEST_EXPRESSION
    assert len(part["Update"]["UpdateExpression"]) <= LONGEST_EXPRESSION
