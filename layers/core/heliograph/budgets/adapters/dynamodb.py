"""Amazon DynamoDB as the `Ledger`: one item per account and period, written by the job store's transactions alone.

account (key) · period (sort key)          a tenant or `*`; a UTC day or month
reserved · spent · unknown · committed     micro-dollars; the last is the sum of the others, for conditions
announcing_at · announced                  of `image.budget.exhausted`
announcing_50_at · announced_50            of `image.budget.warning` at 50 %; the same with 80

Under the account `#usage`, `<UTC day>#<tenant>#<route>` says what was done there: pictures · spent · unknown
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.budgets.ledger import WARNED_AT, Balance, Booking, BudgetAccount, Usage, UsageLine
from heliograph.platform.dynamodb import Attribute, Attributes, Item, Key, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# No tenant's name, and no key's.
_USAGE = "#usage"
# Whoever announces is done within this, or gone.
_ANNOUNCING = timedelta(seconds=60)


class DynamoDBLedger:
    """The pages of a table of that name."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def read(self, page: BudgetAccount) -> Booking:
        """One consistent read."""
        return _booking(self._item(page))

    def balance(self, page: BudgetAccount) -> Balance:
        """One consistent read."""
        item = self._item(page)
        return Balance(_booking(item), frozenset(percent for percent in WARNED_AT if f"announced_{percent}" in item))

    def every(self) -> Iterator[tuple[BudgetAccount, Booking]]:
        """A scan, page by page."""
        for item in self._table.scan(about="the ledger"):
            if item["account"] != _USAGE:
                yield BudgetAccount(item["account"], item["period"]), _booking(item)

    def usage(self, first_day: str, last_day: str, *, tenant: str | None = None) -> Iterator[UsageLine]:
        """A query, page by page: one item for each day, tenant and route. Of one tenant, a query for each day."""
        if tenant is None:
            yield from self._usage(first_day, f"{last_day}#~")
            return
        for day in _days(first_day, last_day):
            yield from self._usage(f"{day}#{tenant}#", f"{day}#{tenant}#~")

    def _usage(self, first: str, last: str) -> Iterator[UsageLine]:
        keys = Key("account").eq(_USAGE), Key("period").between(first, last)
        for item in self._table.query_all(*keys, about="usage"):
            day, tenant, route = item["period"].split("#")
            yield UsageLine(day, tenant, route, Usage(*_numbers(item, Usage._fields)))

    def may_announce(self, page: BudgetAccount, now: datetime, *, threshold: int | None = None) -> bool:
        """One conditional write."""
        begun, done = _marks(threshold)
        gone = int((now - _ANNOUNCING).timestamp())
        written = self._table.update_if(
            _key(page),
            Attribute(done).not_exists(),
            Attribute(begun).not_exists() | Attribute(begun).lt(gone),
            assign={begun: int(now.timestamp())},
            about=str(page),
        )
        return written is not None

    def announced(self, page: BudgetAccount, *, threshold: int | None = None) -> None:
        """One write."""
        _, done = _marks(threshold)
        self._table.update(_key(page), assign={done: True}, about=str(page))

    def _item(self, page: BudgetAccount) -> Item:
        return self._table.get(_key(page), about=str(page)) or {}


def usage_update(table: Table, line: UsageLine) -> TransactWriteItemTypeDef:
    """A line's part of a transaction: adds its usage to that of the day, tenant and route."""
    key = {"account": _USAGE, "period": f"{line.day}#{line.tenant}#{line.route}"}
    return table.part_update(key, add=line.usage._asdict())


def page_update(
    table: Table, page: BudgetAccount, difference: Booking, *, limit_microusd: int | None
) -> TransactWriteItemTypeDef:
    """A page's part of a transaction: adds `difference`, if the sum stays within the limit."""
    added = {**difference._asdict(), "committed": difference.committed}
    if limit_microusd is None:
        return table.part_update(_key(page), add=added)
    committed, room = Attribute("committed"), limit_microusd - difference.committed
    # A page that does not exist yet has room for no more than the limit.
    fits = committed.not_exists() | committed.lte(room) if room >= 0 else committed.lte(room)
    return table.part_update(_key(page), fits, add=added)


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


def _booking(item: Item) -> Booking:
    return Booking(*_numbers(item, Booking._fields))


def _numbers(item: Item, columns: Iterable[str]) -> list[int]:
    return [item.get(column, 0) for column in columns]


def _key(page: BudgetAccount) -> Attributes:
    return {"account": page.account, "period": page.period}
