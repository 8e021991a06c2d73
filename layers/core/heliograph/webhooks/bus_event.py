"""A published event, as EventBridge hands it to a function."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from heliograph.webhooks.endpoint import ReceivedEvent


class _Event(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )


class _Detailed(_Event):
    version: str
    event_id: str
    occurred_at: str
    data: dict[str, Any]


class BusEvent(_Event):
    """An event of ours as EventBridge delivers it; of any type, also one that this release does not know."""

    type: str = Field(validation_alias="detail-type")
    detail: _Detailed

    def happening(self) -> ReceivedEvent:
        """The event."""
        return ReceivedEvent(type=self.type, **self.detail.model_dump())
