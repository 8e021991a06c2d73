"""Wiring of usage and limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import key_store, ledger_store

if TYPE_CHECKING:
    from heliograph.budgets.ledger import UsageLine
    from heliograph.budgets.read_me import MeReader
    from heliograph.runtime.settings.models import ModelsSettings


def usage_reader(settings: ModelsSettings) -> Callable[..., tuple[UsageLine, ...]]:
    """What `api` does with `(query, caller=)`."""
    from heliograph.budgets.usage import read_usage

    return partial(read_usage, ledger=ledger_store(settings.ledger_table), clock=SystemClock())


def me_reader(settings: ModelsSettings) -> MeReader:
    """What `models` tells callers of their own keys."""
    from heliograph.budgets.read_me import MeReader
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

    return MeReader(
        tenants=settings.tenancy,
        ledger=ledger_store(settings.ledger_table),
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        keys=key_store(settings.keys_table),
        clock=SystemClock(),
    )
