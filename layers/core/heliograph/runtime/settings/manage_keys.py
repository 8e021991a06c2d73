"""The settings of `manage_keys`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings


class ManageKeysSettings(KeysTableSettings):
    """Keys are made, listed and revoked here, and nothing else is done."""
