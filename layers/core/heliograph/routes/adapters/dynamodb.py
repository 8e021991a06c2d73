"""Amazon DynamoDB as `RouteStates`: one item per route, and one for the kill switch.

route (key)                                                     the route's name, or `*` for the switch
                                                                (`<name>#running`: see `dynamodb.py`)
revision · interval_us · virtual · anchored_us · …              the pace (`routes/fair_queue.py`)
lane:<tenant>                                                   how far that tenant's lane is given out
breaker                                                         the circuit, as JSON
latencies                                                       what its tasks took lately, in seconds: `21.3 18.0 …`
callback_share                                                  of how many of them the provider calls back
halt                                                            on `*`: since when and why nothing may leave, as JSON
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.kernel.errors import StorageFailed
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, running_key, translated
from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import Pace
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_SWITCH = "*"
_LANE = "lane:"
_PACE = tuple(name for name in Pace.model_fields if name != "lanes")


class DynamoDBRouteStates:
    """The items of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def look(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """One consistent read of all of them."""
        routes = tuple(routes)
        keys: list[dict[str, Any]] = [{"route": {"S": name}} for name in (_SWITCH, *(route.name for route in routes))]
        with translated("routes"):
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
        if answer.get("UnprocessedKeys"):
            raise StorageFailed("routes: not all could be read")
        items = {item["route"]["S"]: item for item in answer["Responses"].get(self._table, [])}
        states = {
            route.name: _state(items[route.name])
            if route.name in items
            else RouteState(route=route.name, pace=Pace.starting(route))
            for route in routes
        }
        halt = items.get(_SWITCH, {}).get("halt", {}).get("S")
        return RoutesSnapshot(halt=SpendingPause.model_validate_json(halt) if halt else None, routes=states)

    def queue(self, route: Route, tenant: str, *, step: int, beyond: int) -> RouteState | None:
        """One conditional, atomic addition; no read before it."""
        with translated(route.name):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"route": {"S": route.name}},
                    UpdateExpression="SET #lane = #lane + :step",
                    ConditionExpression="#lane > :beyond",
                    ExpressionAttributeNames={"#lane": _LANE + tenant},
                    ExpressionAttributeValues={":step": {"N": str(step)}, ":beyond": {"N": str(beyond)}},
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return None
                raise
        return _state(answer["Attributes"])

    def save(self, before: RouteState, after: RouteState) -> bool:
        """One write, conditional on the revision and on every lane that it changes."""
        change = _Change()
        change.require("revision", before.revision or None)
        change.set("revision", before.revision + 1)
        change.set("breaker", after.breaker.model_dump_json())
        if after.latencies != before.latencies:
            change.set("latencies", " ".join(f"{seconds:g}" for seconds in after.latencies.seconds))
            change.set("callback_share", after.latencies.callback_share)
        for name in _PACE:
            change.set(name, getattr(after.pace, name))
        for tenant in {*before.pace.lanes, *after.pace.lanes}:
            old, new = before.pace.lanes.get(tenant), after.pace.lanes.get(tenant)
            if new != old:
                change.require(_LANE + tenant, old)
                change.set(_LANE + tenant, new)
        with translated(before.route):
            try:
                self._client.update_item(
                    TableName=self._table, Key={"route": {"S": before.route}}, **change.arguments()
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def running(self, route: Route) -> int:
        """One consistent read."""
        key: dict[str, Any] = {"route": {"S": running_key(route.name)}}
        with translated(route.name):
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return int(answer.get("Item", {}).get("running", {"N": "0"})["N"])

    def halt(self, halt: SpendingPause | None) -> None:
        """One write."""
        with translated("the switch"):
            if halt is None:
                self._client.delete_item(TableName=self._table, Key={"route": {"S": _SWITCH}})
            else:
                item: dict[str, Any] = {"route": {"S": _SWITCH}, "halt": {"S": halt.model_dump_json()}}
                self._client.put_item(TableName=self._table, Item=item)


class _Change:
    """An update that is put together attribute by attribute."""

    def __init__(self) -> None:
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, AttributeValueTypeDef] = {}

    def set(self, name: str, value: float | str | None) -> None:
        """Gives the attribute a value; `None` takes it away."""
        alias = self._alias(name)
        if value is None:
            self._removes.append(f"#{alias}")
        else:
            self._sets.append(f"#{alias} = :{alias}")
            self._values[f":{alias}"] = {"S": value} if isinstance(value, str) else {"N": str(value)}

    def require(self, name: str, value: int | None) -> None:
        """What the attribute must be before; `None`: there must be none."""
        alias = self._alias(name)
        if value is None:
            self._conditions.append(f"attribute_not_exists(#{alias})")
        else:
            self._conditions.append(f"#{alias} = :{alias}")
            self._values[f":{alias}"] = {"N": str(value)}

    def arguments(self) -> dict[str, Any]:
        """For `update_item`."""
        removes = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        return {
            "UpdateExpression": f"SET {', '.join(self._sets)}{removes}",
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _alias(self, name: str) -> str:
        alias = f"a{len(self._names)}"
        self._names[f"#{alias}"] = name
        return alias


def _state(item: dict[str, Any]) -> RouteState:
    lanes = {name.removeprefix(_LANE): int(value["N"]) for name, value in item.items() if name.startswith(_LANE)}
    latencies = Latencies(seconds=tuple(float(seconds) for seconds in item.get("latencies", {"S": ""})["S"].split()))
    if "callback_share" in item:
        latencies = latencies.model_copy(update={"callback_share": float(item["callback_share"]["N"])})
    return RouteState(
        route=item["route"]["S"],
        pace=Pace(**{name: int(item[name]["N"]) for name in _PACE}, lanes=lanes),
        breaker=Breaker.model_validate_json(item["breaker"]["S"]),
        latencies=latencies,
        revision=int(item["revision"]["N"]),
    )
