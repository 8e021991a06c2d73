"""Settings of the function `sweep_webhook_deliveries`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class SweepWebhookDeliveriesSettings(Settings):
    """The function restarts deliveries that no execution carries."""

    deliveries_table: Name
    delivery_machine_arn: Name
