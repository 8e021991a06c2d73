"""The settings of `manage_webhook_deliveries`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class ManageWebhookDeliveriesSettings(CallsTableSettings):
    """Deliveries are shown, and started again."""

    deliveries_table: Name
    endpoints_table: Name
    delivery_machine_arn: Name
