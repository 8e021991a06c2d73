"""Settings of the function `serve_pages`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, NameOrNone, Switch
from heliograph.runtime.settings.routing import RoutesSettings


class ServePagesSettings(RoutesSettings):
    """What the pages show of this deployment, and what the playground may reach."""

    uploads_bucket: Name
    results_bucket: Name
    images_url: NameOrNone
    """URL of the API in OpenAI's shape; `None`: it is off."""
    local_webhooks: Switch
