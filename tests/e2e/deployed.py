"""The deployed functions, as an operator reaches them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.world import World

_MOST_EVENTS = 10_000


def function(world: World, logical_id: str) -> str:
    """The deployed function's name."""
    resource = world.stack.client("cloudformation").describe_stack_resource(
        StackName="heliograph", LogicalResourceId=logical_id
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def invoke(world: World, logical_id: str, payload: dict[str, Any]) -> Any:
    """What the deployed function answers."""
    answer = world.stack.client("lambda").invoke(
        FunctionName=function(world, logical_id), Payload=json.dumps(payload).encode()
    )
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


@contextmanager
def environment(world: World, name: str, **changed: str) -> Iterator[None]:
    """The function with other settings, for as long as the block lasts."""
    functions = world.stack.client("lambda")
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**usual, **changed}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": usual})


def log_lines(world: World, about: str = "") -> Iterator[str]:
    """Every line that the functions logged; with `about`, those that hold it. (A call has 10,000 events at most.)"""
    logs = world.stack.client("logs")
    pattern = f'"{about}"' if about else ""
    for group in logs.describe_log_groups()["logGroups"]:
        since = 0
        while True:
            events = logs.filter_log_events(
                logGroupName=group["logGroupName"], filterPattern=pattern, startTime=since, limit=_MOST_EVENTS
            )["events"]
            yield from (event["message"] for event in events)
            if len(events) < _MOST_EVENTS:
                break
            since = max(since + 1, events[-1]["timestamp"])
