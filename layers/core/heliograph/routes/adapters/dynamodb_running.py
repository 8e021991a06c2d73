"""Numbers of tasks that run on a route, in the table of routes: written by the job store's transactions alone.

route (key)   `<route>#running`, and `<route>#running#<tenant>` where a tenant has a share of its own: items of their
              own, so that transactions don't meet the route's queue
running       how many tasks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.platform.dynamodb import Attribute, Attributes, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def running(table: Table, route: str) -> int:
    """One consistent read."""
    item = table.get(_key(route), about=route) or {}
    return int(item.get("running", 0))


def running_update(
    table: Table, route: str, difference: int, *, tenant: str | None = None, most: int | None = None
) -> TransactWriteItemTypeDef:
    """Part of a transaction: adds `difference`, if fewer than `most` run before. `tenant`: to the tenant's number."""
    number = Attribute("running")
    conditions = [] if most is None else [number.not_exists() | number.lt(most)]
    return table.part_update(_key(route, tenant), *conditions, add={"running": difference})


def _key(route: str, tenant: str | None = None) -> Attributes:
    return {"route": f"{route}#running" if tenant is None else f"{route}#running#{tenant}"}
