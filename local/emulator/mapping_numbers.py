"""Replaces how `ministack` makes event source mappings from a template: numbers are numbers.

**Stock** keeps what a parameter holds, which is text. A mapping whose `MaximumConcurrency` comes from a parameter is
made, but compared with a number at every poll of its queue; that fails, and its function never runs.

**Here** the text becomes a number first, as in CloudFormation, which knows each property's type.

**Needed** because both of our mappings take their concurrency from a parameter; until ministack knows the types.
"""

from typing import Any

from ministack.services.cloudformation import provisioners

_TYPE = "AWS::Lambda::EventSourceMapping"


def install() -> None:
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    stock_create, stock_update = handlers["create"], handlers["update"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return stock_create(logical_id, _with_numbers(props), stack_name)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        return stock_update(physical_id, old, _with_numbers(new), stack_name)

    provisioners._RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update}


def _with_numbers(props: dict[str, Any]) -> dict[str, Any]:
    scaling = {name: int(value) for name, value in props.get("ScalingConfig", {}).items()}
    return {**props, "ScalingConfig": scaling} if scaling else props
