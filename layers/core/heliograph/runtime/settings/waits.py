"""How many calls of one key may wait at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Settings


class WaitsSettings(Settings):
    """The cap on waits; `calls_table` says where they are counted."""

    waits_per_caller: Annotated[int, Field(ge=1, le=1000)]
