"""The settings of `read_models_and_usage`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.default_policy import DefaultPolicy
from heliograph.runtime.settings.routing import RoutesSettings
from heliograph.runtime.settings.tenancy import TenancySettings


class ReadModelsAndUsageSettings(RoutesSettings, KeysTableSettings, TenancySettings):
    """The routes are shown with how they are doing, the ledger with what was done on them, and what is left."""

    routes_table: Name
    ledger_table: Name
    default_policy: DefaultPolicy
