"""What it takes to know callers by their API keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, Settings


class KeysTableSettings(Settings):
    """The table of API keys: enough to count a caller's calls, and to make and revoke keys."""

    keys_table: Name


class RecogniserSettings(KeysTableSettings):
    """What tells whose key that is: the table, and the secret with the deployment's own key."""

    api_key_secret: Name
    # Of keys that have no limit of their own; 0: none.
    calls_per_minute: Annotated[int, Field(ge=0, le=60_000)]
