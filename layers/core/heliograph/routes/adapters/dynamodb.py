"""Amazon DynamoDB as `RouteStates`: one item per route, and one for the spending pause.

route (key)                                                     the route's name, or `*` for the spending pause
                                                                (`<name>#running`: see `dynamodb_running.py`)
revision · interval_us · virtual_time · anchored_us · …         the queue (`routes/fair_queue.py`)
flow:<tenant>                                                   the last finish tag of that tenant's flow
breaker                                                         the circuit breaker, as JSON
latencies                                                       of its last tasks, in seconds: `21.3 18.0 …`
callback_share                                                  the share of them that the provider calls back
spending_pause                                                  on `*`: its beginning and reason, as JSON
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
from heliograph.routes.fair_queue import FairQueue
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

_SPENDING = "*"
_FLOW = "flow:"
_QUEUE = tuple(name for name in FairQueue.model_fields if name != "finish_tags")


class DynamoDBRouteStates:
    """Route states in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def snapshot(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """One consistent read of all of them."""
        routes = tuple(routes)
        keys = [_key(name) for name in (_SPENDING, *(route.name for route in routes))]
        found, left = self._table.get_some(keys, is_consistent=True, about="routes")
        if left:
            raise StorageFailed("routes: not all could be read")
        items = {item["route"]: item for item in found}
        states = {
            route.name: _state(items[route.name])
            if route.name in items
            else RouteState(route=route.name, queue=FairQueue.starting(route))
            for route in routes
        }
        pause = items.get(_SPENDING, {}).get("spending_pause")
        return RoutesSnapshot(spending_pause=SpendingPause.model_validate_json(pause) if pause else None, routes=states)

    def extend_flow(self, route: Route, tenant: str, *, length: int, beyond: int) -> RouteState | None:
        """One conditional, atomic addition; no read before it."""
        flow = _FLOW + tenant
        after = self._table.update_if(
            _key(route.name),
            Attribute(flow).gt(beyond),
            add={flow: length},
            returning="ALL_NEW",
            about=route.name,
        )
        return _state(after) if after else None

    def save(self, before: RouteState, after: RouteState) -> bool:
        """One write, conditional on the revision and on every finish tag that it changes."""
        changed: dict[str, Value] = {"revision": before.revision + 1, "breaker": after.breaker.model_dump_json()}
        conditions = [_is("revision", before.revision or None)]
        if after.latencies != before.latencies:
            changed["latencies"] = " ".join(f"{seconds:g}" for seconds in after.latencies.seconds)
            changed["callback_share"] = Decimal(str(after.latencies.callback_share))
        for name in _QUEUE:
            changed[name] = getattr(after.queue, name)
        for tenant in {*before.queue.finish_tags, *after.queue.finish_tags}:
            old, new = before.queue.finish_tags.get(tenant), after.queue.finish_tags.get(tenant)
            if new != old:
                conditions.append(_is(_FLOW + tenant, old))
                changed[_FLOW + tenant] = new
        written = self._table.update_if(_key(before.route), *conditions, assign=changed, about=before.route)
        return written is not None

    def running(self, route: Route) -> int:
        """One consistent read."""
        return running(self._table, route.name)

    def set_spending_pause(self, pause: SpendingPause | None) -> None:
        """One write."""
        if pause is None:
            self._table.delete(_key(_SPENDING), about="the spending pause")
        else:
            self._table.put({**_key(_SPENDING), "spending_pause": pause.model_dump_json()}, about="the spending pause")


def _key(route: str) -> Attributes:
    return {"route": route}


def _is(name: str, value: int | None) -> ConditionBase:
    """Condition that the attribute has that value; `None`: that it does not exist."""
    return Attribute(name).not_exists() if value is None else Attribute(name).eq(value)


def _state(item: Item) -> RouteState:
    finish_tags = {name.removeprefix(_FLOW): tag for name, tag in item.items() if name.startswith(_FLOW)}
    latencies = Latencies(seconds=tuple(float(seconds) for seconds in item.get("latencies", "").split()))
    if "callback_share" in item:
        latencies = latencies.model_copy(update={"callback_share": float(item["callback_share"])})
    return RouteState(
        route=item["route"],
        queue=FairQueue(**{name: item[name] for name in _QUEUE}, finish_tags=finish_tags),
        breaker=Breaker.model_validate_json(item["breaker"]),
        latencies=latencies,
        revision=item["revision"],
    )
