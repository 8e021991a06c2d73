"""Settings of the function `manage_keys`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings


class ManageKeysSettings(KeysTableSettings):
    """The function creates, lists and revokes keys, and does nothing else."""
