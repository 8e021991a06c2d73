"""Amazon DynamoDB as `RouteStates`: one item per route, and one for the spending pause.

route (key)                                                     the route's name, or `*` for the spending pause
                                                                (`<name>#running`: see the jobs' `dynamodb.py`)
revision · interval_us · virtual_time · anchored_us · …         the queue (`routes/fair_queue.py`)
flow:<tenant>                                                   the last finish tag of that tenant's flow
breaker                                                         the circuit breaker, as JSON
latencies                                                       of its last tasks, in seconds: `21.3 18.0 …`
callback_share                                                  the share of them that the provider calls back
spending_pause                                                  on `*`: its beginning and reason, as JSON
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.kernel.errors import StorageFailed
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, running_key, translated
from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.config import Route
from heliograph.routes.fair_queue import FairQueue
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_SPENDING = "*"
_FLOW = "flow:"
_QUEUE = tuple(name for name in FairQueue.model_fields if name != "finish_tags")


class DynamoDBRouteStates:
    """Route states in a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def snapshot(self, routes: Iterable[Route]) -> RoutesSnapshot:
        """One consistent read of all of them."""
        routes = tuple(routes)
        keys: list[dict[str, Any]] = [{"route": {"S": name}} for name in (_SPENDING, *(route.name for route in routes))]
        with translated("routes"):
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
        if answer.get("UnprocessedKeys"):
            raise StorageFailed("routes: not all could be read")
        items = {item["route"]["S"]: item for item in answer["Responses"].get(self._table, [])}
        states = {
            route.name: _state(items[route.name])
            if route.name in items
            else RouteState(route=route.name, queue=FairQueue.starting(route))
            for route in routes
        }
        pause = items.get(_SPENDING, {}).get("spending_pause", {}).get("S")
        return RoutesSnapshot(spending_pause=SpendingPause.model_validate_json(pause) if pause else None, routes=states)

    def extend_flow(self, route: Route, tenant: str, *, length: int, beyond: int) -> RouteState | None:
        """One conditional, atomic addition; no read before it."""
        with translated(route.name):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"route": {"S": route.name}},
                    UpdateExpression="SET #flow = #flow + :length",
                    ConditionExpression="#flow > :beyond",
                    ExpressionAttributeNames={"#flow": _FLOW + tenant},
                    ExpressionAttributeValues={":length": {"N": str(length)}, ":beyond": {"N": str(beyond)}},
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return None
                raise
        return _state(answer["Attributes"])

    def save(self, before: RouteState, after: RouteState) -> bool:
        """One write, conditional on the revision and on every finish tag that it changes."""
        change = _Change()
        change.require("revision", before.revision or None)
        change.set("revision", before.revision + 1)
        change.set("breaker", after.breaker.model_dump_json())
        if after.latencies != before.latencies:
            change.set("latencies", " ".join(f"{seconds:g}" for seconds in after.latencies.seconds))
            change.set("callback_share", after.latencies.callback_share)
        for name in _QUEUE:
            change.set(name, getattr(after.queue, name))
        for tenant in {*before.queue.finish_tags, *after.queue.finish_tags}:
            old, new = before.queue.finish_tags.get(tenant), after.queue.finish_tags.get(tenant)
            if new != old:
                change.require(_FLOW + tenant, old)
                change.set(_FLOW + tenant, new)
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

    def set_spending_pause(self, pause: SpendingPause | None) -> None:
        """One write."""
        with translated("the spending pause"):
            if pause is None:
                self._client.delete_item(TableName=self._table, Key={"route": {"S": _SPENDING}})
            else:
                text = pause.model_dump_json()
                item: dict[str, Any] = {"route": {"S": _SPENDING}, "spending_pause": {"S": text}}
                self._client.put_item(TableName=self._table, Item=item)


class _Change:
    """An update, composed attribute by attribute."""

    def __init__(self) -> None:
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, AttributeValueTypeDef] = {}

    def set(self, name: str, value: float | str | None) -> None:
        """Sets the attribute; `None` removes it."""
        alias = self._alias(name)
        if value is None:
            self._removes.append(f"#{alias}")
        else:
            self._sets.append(f"#{alias} = :{alias}")
            self._values[f":{alias}"] = {"S": value} if isinstance(value, str) else {"N": str(value)}

    def require(self, name: str, value: int | None) -> None:
        """Requires the attribute to have that value; `None`: not to exist."""
        alias = self._alias(name)
        if value is None:
            self._conditions.append(f"attribute_not_exists(#{alias})")
        else:
            self._conditions.append(f"#{alias} = :{alias}")
            self._values[f":{alias}"] = {"N": str(value)}

    def arguments(self) -> dict[str, Any]:
        """Arguments of `update_item`."""
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
    finish_tags = {name.removeprefix(_FLOW): int(value["N"]) for name, value in item.items() if name.startswith(_FLOW)}
    latencies = Latencies(seconds=tuple(float(seconds) for seconds in item.get("latencies", {"S": ""})["S"].split()))
    if "callback_share" in item:
        latencies = latencies.model_copy(update={"callback_share": float(item["callback_share"]["N"])})
    return RouteState(
        route=item["route"]["S"],
        queue=FairQueue(**{name: int(item[name]["N"]) for name in _QUEUE}, finish_tags=finish_tags),
        breaker=Breaker.model_validate_json(item["breaker"]["S"]),
        latencies=latencies,
        revision=int(item["revision"]["N"]),
    )
