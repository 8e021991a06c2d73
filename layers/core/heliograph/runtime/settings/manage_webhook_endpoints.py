"""Settings of the function `manage_webhook_endpoints`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class ManageWebhookEndpointsSettings(EndpointsSettings):
    """The function registers, changes and removes endpoints."""
