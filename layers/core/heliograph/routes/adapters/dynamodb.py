"""Amazon DynamoDB as `RouteStates`: one item per route, and one for the kill switch.

route (key)                                                     the route's name, or `*` for the switch
                                                                (`<name>#running`: see `dynamodb_running.py`)
revision · interval_us · virtual · anchored_us · …              the pace (`routes/fair_queue.py`)
lane:<tenant>                                                   how far that tenant's lane is given out
breaker                                                         the circuit, as JSON
latencies                                                       what its tasks took lately, in seconds: `21.3 18.0 …`
callback_share                                                  of how many of them the provider calls back
halt                                                            on `*`: since when and why nothing may leave, as JSON
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StorageFailed
from heliograph.platform.dynamodb import Attribute, Attributes, Item, Table, Value
from heliograph.routes.adapters.dynamodb_running import running
from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import Pace
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

_SWITCH = "*"
_LANE = "lane:"
_PACE = tuple(name for name in Pace.model_fields if name != "lanes")


class DynamoDBRouteStates:
    """The items of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def look(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """One consistent read of all of them."""
        routes = tuple(routes)
        keys = [_key(name) for name in (_SWITCH, *(route.name for route in routes))]
        found, left = self._table.get_some(keys, is_consistent=True, about="routes")
        if left:
            raise StorageFailed("routes: not all could be read")
        items = {item["route"]: item for item in found}
        states = {
            route.name: _state(items[route.name])
            if route.name in items
            else RouteState(route=route.name, pace=Pace.starting(route))
            for route in routes
        }
        halt = items.get(_SWITCH, {}).get("halt")
        return RoutesSnapshot(halt=SpendingPause.model_validate_json(halt) if halt else None, routes=states)

    def queue(self, route: Route, tenant: str, *, step: int, beyond: int) -> RouteState | None:
        """One conditional, atomic addition; no read before it."""
        lane = _LANE + tenant
        after = self._table.update_if(
            _key(route.name),
            Attribute(lane).gt(beyond),
            add={lane: step},
            returning="ALL_NEW",
            about=route.name,
        )
        return _state(after) if after else None

    def save(self, before: RouteState, after: RouteState) -> bool:
        """One write, conditional on the revision and on every lane that it changes."""
        changed: dict[str, Value] = {"revision": before.revision + 1, "breaker": after.breaker.model_dump_json()}
        conditions = [_is("revision", before.revision or None)]
        if after.latencies != before.latencies:
            changed["latencies"] = " ".join(f"{seconds:g}" for seconds in after.latencies.seconds)
            changed["callback_share"] = Decimal(str(after.latencies.callback_share))
        for name in _PACE:
            changed[name] = getattr(after.pace, name)
        for tenant in {*before.pace.lanes, *after.pace.lanes}:
            old, new = before.pace.lanes.get(tenant), after.pace.lanes.get(tenant)
            if new != old:
                conditions.append(_is(_LANE + tenant, old))
                changed[_LANE + tenant] = new
        written = self._table.update_if(_key(before.route), *conditions, assign=changed, about=before.route)
        return written is not None

    def running(self, route: Route) -> int:
        """One consistent read."""
        return running(self._table, route.name)

    def halt(self, halt: SpendingPause | None) -> None:
        """One write."""
        if halt is None:
            self._table.delete(_key(_SWITCH), about="the switch")
        else:
            self._table.put({**_key(_SWITCH), "halt": halt.model_dump_json()}, about="the switch")


def _key(route: str) -> Attributes:
    return {"route": route}


def _is(name: str, value: int | None) -> ConditionBase:
    """The attribute has that value; `None`: there is no such attribute."""
    return Attribute(name).not_exists() if value is None else Attribute(name).eq(value)


def _state(item: Item) -> RouteState:
    lanes = {name.removeprefix(_LANE): place for name, place in item.items() if name.startswith(_LANE)}
    latencies = Latencies(seconds=tuple(float(seconds) for seconds in item.get("latencies", "").split()))
    if "callback_share" in item:
        latencies = latencies.model_copy(update={"callback_share": float(item["callback_share"])})
    return RouteState(
        route=item["route"],
        pace=Pace(**{name: item[name] for name in _PACE}, lanes=lanes),
        breaker=Breaker.model_validate_json(item["breaker"]),
        latencies=latencies,
        revision=item["revision"],
    )
