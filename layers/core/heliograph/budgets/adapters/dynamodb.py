"""Amazon DynamoDB as the `Ledger`: one item per account and period, written by the job store's transactions alone.

account (key) · period (sort key)          a tenant or `*`; a UTC day or month
reserved · spent · unknown · committed     micro-dollars; the last is the sum of the others, for conditions
announcing_at · announced                  of `image.budget.exhausted`
announcing_50_at · announced_50            of `image.budget.warning` at 50 %; the same with 80

Under the account `#usage`, `<UTC day>#<tenant>#<route>` says what was done there: pictures · spent · unknown
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from heliograph.budgets.ledger import WARNED_AT, Balance, Booking, BudgetAccount, Usage, UsageLine
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

# No tenant's name, and no key's.
_USAGE = "#usage"
# Whoever announces is done within this, or gone.
_ANNOUNCING = timedelta(seconds=60)


class DynamoDBLedger:
    """The pages of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, page: BudgetAccount) -> Booking:
        """One consistent read."""
        return _booking(self._item(page))

    def balance(self, page: BudgetAccount) -> Balance:
        """One consistent read."""
        item = self._item(page)
        return Balance(_booking(item), frozenset(percent for percent in WARNED_AT if f"announced_{percent}" in item))

    def scan(self) -> Iterator[tuple[BudgetAccount, Booking]]:
        """A scan, page by page."""
        with translated("the ledger"):
            for answer in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
                for item in answer["Items"]:
                    if item["account"]["S"] != _USAGE:
                        yield BudgetAccount(item["account"]["S"], item["period"]["S"]), _booking(item)

    def usage(self, first_day: str, last_day: str, *, tenant: str | None = None) -> Iterator[UsageLine]:
        """A query, page by page: one item for each day, tenant and route. Of one tenant, a query for each day."""
        if tenant is None:
            yield from self._usage(first_day, f"{last_day}#~")
            return
        for day in _days(first_day, last_day):
            yield from self._usage(f"{day}#{tenant}#", f"{day}#{tenant}#~")

    def _usage(self, first: str, last: str) -> Iterator[UsageLine]:
        with translated("usage"):
            for answer in self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="account = :usage AND period BETWEEN :first AND :last",
                ExpressionAttributeValues={":usage": {"S": _USAGE}, ":first": {"S": first}, ":last": {"S": last}},
            ):
                for item in answer["Items"]:
                    day, tenant, route = item["period"]["S"].split("#")
                    yield UsageLine(day, tenant, route, Usage(*_numbers(item, Usage._fields)))

    def may_announce(self, page: BudgetAccount, now: datetime, *, threshold: int | None = None) -> bool:
        """One conditional write."""
        begun, done = _marks(threshold)
        with translated(str(page)):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(page),
                    UpdateExpression=f"SET {begun} = :now",
                    ConditionExpression=f"attribute_not_exists({done}) AND "
                    f"(attribute_not_exists({begun}) OR {begun} < :gone)",
                    ExpressionAttributeValues={
                        ":now": {"N": str(int(now.timestamp()))},
                        ":gone": {"N": str(int((now - _ANNOUNCING).timestamp()))},
                    },
                )
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def announced(self, page: BudgetAccount, *, threshold: int | None = None) -> None:
        """One write."""
        _, done = _marks(threshold)
        with translated(str(page)):
            self._client.update_item(
                TableName=self._table,
                Key=_key(page),
                UpdateExpression=f"SET {done} = :yes",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )

    def _item(self, page: BudgetAccount) -> Mapping[str, AttributeValueTypeDef]:
        with translated(str(page)):
            answer = self._client.get_item(TableName=self._table, Key=_key(page), ConsistentRead=True)
        return answer.get("Item", {})


def usage_update(table: str, line: UsageLine) -> TransactWriteItemTypeDef:
    """A line's part of a transaction: adds its usage to that of the day, tenant and route."""
    return {
        "Update": {
            "TableName": table,
            "Key": {"account": {"S": _USAGE}, "period": {"S": f"{line.day}#{line.tenant}#{line.route}"}},
            "UpdateExpression": "ADD pictures :pictures, spent :spent, #unknown :unknown",
            "ExpressionAttributeNames": {"#unknown": "unknown"},
            "ExpressionAttributeValues": {
                f":{name}": {"N": str(value)} for name, value in line.usage._asdict().items()
            },
        }
    }


def page_update(
    table: str, page: BudgetAccount, difference: Booking, *, limit_microusd: int | None
) -> TransactWriteItemTypeDef:
    """A page's part of a transaction: adds `difference`, if the sum stays within the limit."""
    values: dict[str, AttributeValueTypeDef] = {
        f":{column}": {"N": str(amount)} for column, amount in difference._asdict().items()
    }
    values[":committed"] = {"N": str(difference.committed)}
    update: TransactWriteItemTypeDef = {
        "Update": {
            "TableName": table,
            "Key": _key(page),
            "UpdateExpression": "ADD reserved :reserved, spent :spent, #unknown :unknown, committed :committed",
            "ExpressionAttributeNames": {"#unknown": "unknown"},
            "ExpressionAttributeValues": values,
        }
    }
    if limit_microusd is not None:
        room = limit_microusd - difference.committed
        # A page that does not exist yet has room for no more than the limit.
        empty = "attribute_not_exists(committed) OR " if room >= 0 else ""
        update["Update"]["ConditionExpression"] = f"{empty}committed <= :room"
        update["Update"]["ExpressionAttributeValues"] = {**values, ":room": {"N": str(room)}}
    return update


def _days(first_day: str, last_day: str) -> Iterator[str]:
    """Both included."""
    day, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)


def _marks(threshold: int | None) -> tuple[str, str]:
    """The columns that say when an announcement was begun, and that it is made."""
    if threshold is None:
        return "announcing_at", "announced"
    return f"announcing_{threshold}_at", f"announced_{threshold}"


def _booking(item: Mapping[str, AttributeValueTypeDef]) -> Booking:
    return Booking(*_numbers(item, Booking._fields))


def _numbers(item: Mapping[str, AttributeValueTypeDef], columns: Iterable[str]) -> list[int]:
    return [int(item.get(column, {"N": "0"})["N"]) for column in columns]


def _key(page: BudgetAccount) -> dict[str, AttributeValueTypeDef]:
    return {"account": {"S": page.account}, "period": {"S": page.period}}
