"""A rejected object of the uploads bucket: listed, then announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from heliograph.intake.events import UploadRejected
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.rejections import Rejection

if TYPE_CHECKING:
    from heliograph.intake.ports import RejectionStore
    from heliograph.kernel.ports import EventBus

Event = TypeVar("Event", UploadRejected, PresetRejected)


def announce_rejection(event: Event, *, tenant: str, rejections: RejectionStore, bus: EventBus) -> Event:
    """The event, once it is in the list and published. Done again, it is one entry, and the same event."""
    rejections.add(Rejection.of(event, tenant=tenant))
    bus.publish(event)
    return event
