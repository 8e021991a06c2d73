"""Catalogue of the published events, for rules on the event bus and for webhooks.

`source` is `heliograph`, `detail-type` the event's type, `detail` an envelope around `data`. Events are delivered at
least once, in any order; a repeat has the same `event_id`. A version of an event only ever gains fields. Schemas and
examples: `events/published/`.

Each kind of event has its own module, so that a publisher loads no other.
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
    """`detail-type` of an event."""
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
