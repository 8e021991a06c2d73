"""The cap on waiting calls of one key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Settings


class WaitsSettings(Settings):
    """Settings of functions whose calls may wait for jobs; `calls_table` counts the waits."""

    waits_per_caller: Annotated[int, Field(ge=1, le=1000)]
