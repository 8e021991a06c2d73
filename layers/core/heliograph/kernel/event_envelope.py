"""Envelope of every published event; events.py has the whole contract."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EVENT_SOURCE = "heliograph"
USD_PATTERN = r"^\d+\.\d{2,6}$"


class Published(BaseModel):
    """Part of an event."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class Envelope(Published):
    """The `detail` of an event; `event_type` is its `detail-type`."""

    event_type: ClassVar[str]

    version: Literal["1"] = "1"
    event_id: Annotated[str, Field(pattern=r"^evt_[a-z2-7]{26}$")]
    occurred_at: AwareDatetime
