"""Settings of the function `webhook_secrets`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class WebhookSecretsSettings(EndpointsSettings):
    """The function shows and rotates signing secrets."""
