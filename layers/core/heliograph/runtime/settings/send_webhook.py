"""Settings of the function `send_webhook`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings, Switch


class SendWebhookSettings(Settings):
    """The function signs and sends webhooks, and disables endpoints that fail for days."""

    deliveries_table: Name
    endpoints_table: Name
    webhook_secret: Name
    event_bus: Name
    local_webhooks: Switch
