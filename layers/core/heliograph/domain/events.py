"""The published contract: what goes onto the event bus, for rules and webhooks alike.

`source` is `heliograph`, `detail-type` the event's type, `detail` an envelope around `data`. Delivery is at least once
and in no order; `event_id` is derived from what happened, so a repeat is recognisable. Fields are only ever added
within a version. Schemas and examples: `events/published/`.

Each kind has a module of its own, because whoever publishes one needs no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliograph.domain.budget_events import BudgetExhausted, BudgetWarning, budget_exhausted, budget_warning
from heliograph.domain.endpoint_events import EndpointDisabled, endpoint_disabled
from heliograph.domain.failures import FailureCode
from heliograph.domain.job_events import (
    JobCanceled,
    JobEnded,
    JobExpired,
    JobFailed,
    JobSettled,
    JobSucceeded,
    job_event,
    settled_event,
)
from heliograph.domain.preset_events import PresetRejected, PresetStopped, preset_rejected, preset_stopped
from heliograph.domain.published import EVENT_SOURCE
from heliograph.domain.route_events import RouteClosed, RouteOpened, route_switched
from heliograph.domain.upload_events import UploadRejected, upload_rejected

PublishedEvent = (
    JobEnded
    | JobSettled
    | UploadRejected
    | PresetStopped
    | PresetRejected
    | BudgetWarning
    | BudgetExhausted
    | RouteOpened
    | RouteClosed
    | EndpointDisabled
)

EVENT_TYPES: Mapping[str, type[PublishedEvent]] = {
    event.event_type: event
    for event in (
        JobSucceeded,
        JobFailed,
        JobExpired,
        JobCanceled,
        JobSettled,
        UploadRejected,
        PresetStopped,
        PresetRejected,
        BudgetWarning,
        BudgetExhausted,
        RouteOpened,
        RouteClosed,
        EndpointDisabled,
    )
}


def event_type(event: PublishedEvent) -> str:
    """The `detail-type` of an event."""
    return event.event_type


__all__ = [
    "EVENT_SOURCE",
    "EVENT_TYPES",
    "BudgetExhausted",
    "BudgetWarning",
    "EndpointDisabled",
    "FailureCode",
    "JobCanceled",
    "JobExpired",
    "JobFailed",
    "JobSettled",
    "JobSucceeded",
    "PresetRejected",
    "PresetStopped",
    "PublishedEvent",
    "RouteClosed",
    "RouteOpened",
    "UploadRejected",
    "budget_exhausted",
    "budget_warning",
    "endpoint_disabled",
    "event_type",
    "job_event",
    "preset_rejected",
    "preset_stopped",
    "route_switched",
    "settled_event",
    "upload_rejected",
]
