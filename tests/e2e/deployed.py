"""The deployed functions, as an operator reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.world import World


def function(world: World, logical_id: str) -> str:
    """The deployed function's name."""
    resource = world.stack.client("cloudformation").describe_stack_resource(
        StackName="heliograph", LogicalResourceId=logical_id
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


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
