"""The settings of `webhook_secrets`."""

from __future__ import annotations

from heliograph.runtime.settings.endpoints import EndpointsSettings


class WebhookSecretsSettings(EndpointsSettings):
    """Signing secrets are shown and rotated."""
