"""The settings of `sweep_deliveries`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class SweepDeliveriesSettings(Settings):
    """Deliveries that nothing carries are started again."""

    deliveries_table: Name
    delivery_machine_arn: Name
