"""The settings of `fan_out_webhooks`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class FanOutWebhooksSettings(Settings):
    """An event becomes deliveries; the job that it is about is only read."""

    jobs_table: Name
    endpoints_table: Name
    deliveries_table: Name
    delivery_machine_arn: Name
