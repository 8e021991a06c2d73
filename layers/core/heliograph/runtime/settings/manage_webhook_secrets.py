"""Settings of the function `manage_webhook_secrets`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class ManageWebhookSecretsSettings(EndpointsSettings):
    """The function shows and rotates signing secrets."""
