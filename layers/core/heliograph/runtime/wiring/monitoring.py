"""Wiring of health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.runtime.wiring.adapters import job_records, route_control

if TYPE_CHECKING:
    from heliograph.monitoring.health import HealthCheck
    from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings


def health_check(settings: SweepJobsSettings) -> HealthCheck:
    """For the end of every sweep."""
    from heliograph.monitoring.health import HealthCheck

    return HealthCheck(
        jobs=job_records(settings.jobs_table),
        routes=tuple(settings.usable_routes),
        control=route_control(settings),
    )
