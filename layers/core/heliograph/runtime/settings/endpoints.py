"""What it takes to manage webhook endpoints and their signing secrets."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Switch
from heliograph.runtime.settings.api_keys import KeysTableSettings


class EndpointsSettings(KeysTableSettings):
    """The endpoints, and what their signing secrets are derived from."""

    endpoints_table: Name
    webhook_secret: Name
    local_webhooks: Switch
