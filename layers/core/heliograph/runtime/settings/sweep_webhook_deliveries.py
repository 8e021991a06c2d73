"""The settings of `sweep_webhook_deliveries`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class SweepWebhookDeliveriesSettings(Settings):
    """Deliveries that nothing carries are started again."""

    deliveries_table: Name
    delivery_machine_arn: Name
