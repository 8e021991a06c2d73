"""The settings of `serve_pages`."""

from __future__ import annotations

from heliograph.runtime.environment import Name, NameOrNone, Switch
from heliograph.runtime.settings.routing import RoutesSettings


class ServePagesSettings(RoutesSettings):
    """What the pages say of this deployment, and what they let a browser reach."""

    uploads_bucket: Name
    results_bucket: Name
    # Where calls in OpenAI's shape go. None: nowhere.
    images_url: NameOrNone
    local_webhooks: Switch
