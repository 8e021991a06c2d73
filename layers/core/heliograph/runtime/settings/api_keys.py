"""What it takes to know callers by their API keys."""

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


class RecogniserSettings(KeysTableSettings):
    """What tells whose key that is: the table, and the secret with the deployment's own key."""

    api_key_secret: Name
    # Of keys that have no limit of their own; 0: none.
    calls_per_minute: Annotated[int, Field(ge=0, le=60_000)]
