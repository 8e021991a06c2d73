"""Wiring of budgets, usage and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import event_bus, key_store, ledger_store

if TYPE_CHECKING:
    from heliograph.budgets.announce import BudgetAnnouncer
    from heliograph.budgets.read_me import MeReader
    from heliograph.budgets.read_usage import UsageReader
    from heliograph.runtime.settings.read_models_and_usage import ReadModelsAndUsageSettings


def budget_announcer(ledger_table: str, bus: str) -> BudgetAnnouncer:
    """For everything that commits money."""
    from heliograph.budgets.announce import BudgetAnnouncer

    return BudgetAnnouncer(ledger=ledger_store(ledger_table), bus=event_bus(bus), clock=SystemClock())


def usage_reader(settings: ReadModelsAndUsageSettings) -> UsageReader:
    """For `GET /v1/usage`."""
    from heliograph.budgets.read_usage import UsageReader

    return UsageReader(ledger=ledger_store(settings.ledger_table), clock=SystemClock())


def me_reader(settings: ReadModelsAndUsageSettings) -> MeReader:
    """For `GET /v1/me`."""
    from heliograph.budgets.read_me import MeReader
    from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates

    return MeReader(
        tenants=settings.tenancy,
        ledger=ledger_store(settings.ledger_table),
        states=DynamoDBRouteStates(aws.dynamodb(), settings.routes_table),
        keys=key_store(settings.keys_table),
        clock=SystemClock(),
    )
