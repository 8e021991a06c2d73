"""The settings of `manage_webhook_secrets`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class ManageWebhookSecretsSettings(EndpointsSettings):
    """Signing secrets are shown and rotated."""
