"""The published contract: what goes onto the event bus, for rules and webhooks alike.

`source` is `heliograph`, `detail-type` the event's type, `detail` an envelope around `data`. Delivery is at least once
and in no order; `event_id` is derived from what happened, so a repeat is recognisable. Fields are only ever added
within a version. Schemas and examples: `events/published/`.

Each kind has a module of its own, because whoever publishes one needs no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliograph.budgets.events import BudgetExhausted, BudgetWarning, budget_exhausted, budget_warning
from heliograph.intake.events import UploadRejected, upload_rejected
from heliograph.intake.preset_events import PresetRejected, PresetStopped, preset_rejected, preset_stopped
from heliograph.jobs.events import (
    JobCanceled,
    JobEnded,
    JobExpired,
    JobFailed,
    JobSettled,
    JobSucceeded,
    job_event,
    settled_event,
)
from heliograph.kernel.event_envelope import EVENT_SOURCE
from heliograph.kernel.failures import FailureCode
from heliograph.routes.events import RouteClosed, RouteOpened, route_switched
from heliograph.webhooks.events import EndpointDisabled, endpoint_disabled

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
