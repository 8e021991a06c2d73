"""The settings of `manage_webhook_endpoints`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class ManageWebhookEndpointsSettings(EndpointsSettings):
    """Endpoints are registered, changed and removed."""
