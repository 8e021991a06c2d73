"""Settings of the function `keys`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings


class KeysSettings(KeysTableSettings):
    """The function creates, lists and revokes keys, and does nothing else."""
