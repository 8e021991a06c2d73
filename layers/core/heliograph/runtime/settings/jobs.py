"""Settings of functions that write jobs, in one transaction with the ledger and the counts of running tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.routing import RoutesSettings
from heliograph.runtime.settings.tenancy import TenancySettings


class JobStoreSettings(RoutesSettings, TenancySettings):
    """The tables that a job's record is written to, and the limits of every write."""

    jobs_table: Name
    ledger_table: Name
    routes_table: Name
    job_retention_days: Annotated[int, Field(ge=91)]

    @property
    def job_retention(self) -> timedelta:
        """How long the record of an ended job is kept."""
        return timedelta(days=self.job_retention_days)


class PublishedJobsSettings(JobStoreSettings):
    """As `JobStoreSettings`, with the bus for events of jobs and routes."""

    event_bus: Name
