"""The settings of `send_webhook`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings, Switch


class SendWebhookSettings(Settings):
    """A webhook is signed and sent; an endpoint that fails for days is disabled, and that is published."""

    deliveries_table: Name
    endpoints_table: Name
    webhook_secret: Name
    event_bus: Name
    local_webhooks: Switch
