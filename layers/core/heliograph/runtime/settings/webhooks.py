"""Settings of the function `webhooks`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class WebhooksSettings(EndpointsSettings):
    """The function registers, changes and removes endpoints."""
