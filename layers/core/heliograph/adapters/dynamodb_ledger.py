"""Amazon DynamoDB as the `Ledger`: one item per account and period, written by the job store's transactions alone.

account (key) · period (sort key)          a tenant or `*`; a UTC day or month
reserved · spent · unknown · committed     micro-dollars; the last is the sum of the others, for conditions
announcing_at · announced                  of `image.budget.exhausted`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from heliograph.adapters.dynamodb_calls import CONDITION_FAILED, code_of, translated
from heliograph.domain.ledger import Booking, Page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

# Whoever announces is done within this, or gone.
_ANNOUNCING = timedelta(seconds=60)


class DynamoDBLedger:
    """The pages of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, page: Page) -> Booking:
        """One consistent read."""
        with translated(str(page)):
            answer = self._client.get_item(TableName=self._table, Key=_key(page), ConsistentRead=True)
        return _booking(answer.get("Item", {}))

    def every(self) -> Iterator[tuple[Page, Booking]]:
        """A scan, page by page."""
        with translated("the ledger"):
            for answer in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
                for item in answer["Items"]:
                    yield Page(item["account"]["S"], item["period"]["S"]), _booking(item)

    def may_announce(self, page: Page, now: datetime) -> bool:
        """One conditional write."""
        with translated(str(page)):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(page),
                    UpdateExpression="SET announcing_at = :now",
                    ConditionExpression="attribute_not_exists(announced) AND "
                    "(attribute_not_exists(announcing_at) OR announcing_at < :gone)",
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

    def announced(self, page: Page) -> None:
        """One write."""
        with translated(str(page)):
            self._client.update_item(
                TableName=self._table,
                Key=_key(page),
                UpdateExpression="SET announced = :yes",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )


def page_update(table: str, page: Page, difference: Booking, *, limit_microusd: int | None) -> TransactWriteItemTypeDef:
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


def _booking(item: Mapping[str, AttributeValueTypeDef]) -> Booking:
    return Booking(*(int(item.get(column, {"N": "0"})["N"]) for column in Booking._fields))


def _key(page: Page) -> dict[str, AttributeValueTypeDef]:
    return {"account": {"S": page.account}, "period": {"S": page.period}}
