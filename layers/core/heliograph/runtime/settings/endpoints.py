"""Settings of functions that manage webhook endpoints or their signing secrets."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Switch
from heliograph.runtime.settings.api_keys import KeysTableSettings


class EndpointsSettings(KeysTableSettings):
    """The table of endpoints, and the secret that their signing secrets are derived from."""

    endpoints_table: Name
    webhook_secret: Name
    """ARN of the secret that all signing secrets are derived from."""
    local_webhooks: Switch
    """Whether webhooks may go to this machine: in the local stack only."""
