"""Settings of the function `fan_out_webhooks`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class FanOutWebhooksSettings(Settings):
    """The function creates deliveries for an event, and reads the job that it is about."""

    jobs_table: Name
    endpoints_table: Name
    deliveries_table: Name
    delivery_machine_arn: Name
