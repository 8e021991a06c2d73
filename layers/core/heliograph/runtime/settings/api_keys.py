"""What it takes to know callers by their API keys."""

from __future__ import annotations

from heliograph.runtime.environment import Name, Settings


class KeysTableSettings(Settings):
    """The table of API keys: enough to count a caller's calls, and to make and revoke keys."""

    keys_table: Name


class RecogniserSettings(KeysTableSettings):
    """What tells whose key that is: the table, and the secret with the deployment's own key."""

    api_key_secret: Name
