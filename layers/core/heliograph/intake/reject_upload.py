"""Reject an object of the uploads bucket: list the rejection, then publish it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from heliograph.intake.events import UploadRejected
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.rejections import Rejection

if TYPE_CHECKING:
    from heliograph.intake.ports import RejectionStore
    from heliograph.kernel.ports import EventBus

Event = TypeVar("Event", UploadRejected, PresetRejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionPublisher:
    """Lists and publishes rejections."""

    rejections: RejectionStore
    bus: EventBus

    def publish(self, event: Event, *, tenant: str) -> Event:
        """The event, once it is listed and published. A repeat makes no second entry, and publishes the same event."""
        self.rejections.add(Rejection.of(event, tenant=tenant))
        self.bus.publish(event)
        return event
