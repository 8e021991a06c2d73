"""Settings of the functions that authenticate, refresh or count callers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, Settings


class CallsTableSettings(Settings):
    """The table of calls: counters of each key, and recent calls. Everybody writes to it; it opens nothing."""

    calls_table: Name


class KeysTableSettings(CallsTableSettings):
    """The table of API keys as well: to look a key up. `keys` alone may write to it."""

    keys_table: Name


class AuthenticatorSettings(KeysTableSettings):
    """Settings of authentication: the table of keys, and the secret that holds the deployment's own key."""

    api_key_secret: Name
    # Limit of keys that have none of their own; 0: no limit.
    calls_per_minute: Annotated[int, Field(ge=0, le=60_000)]
