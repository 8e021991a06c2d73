"""Settings of the function `read_models_and_usage`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.default_policy import DefaultPolicy
from heliograph.runtime.settings.routing import RoutesSettings
from heliograph.runtime.settings.tenancy import TenancySettings


class ReadModelsAndUsageSettings(RoutesSettings, KeysTableSettings, TenancySettings):
    """The function shows the routes with their state, and usage and remaining budgets from the ledger."""

    routes_table: Name
    ledger_table: Name
    default_policy: DefaultPolicy
