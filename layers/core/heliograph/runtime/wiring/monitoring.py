"""Wiring of health checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from heliograph.runtime.wiring.adapters import job_records, route_control

if TYPE_CHECKING:
    from heliograph.monitoring.metrics import HealthSnapshot
    from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings


def surveyor(settings: SweepJobsSettings) -> Callable[[], HealthSnapshot]:
    """What `sweep` looks at when it is done."""
    from heliograph.monitoring.health import check_health

    return partial(
        check_health,
        jobs=job_records(settings.jobs_table),
        routes=tuple(settings.usable_routes),
        control=route_control(settings),
    )
