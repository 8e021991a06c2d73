"""The settings of `webhooks`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class WebhooksSettings(EndpointsSettings):
    """Endpoints are registered, changed and removed."""
