"""What it takes to write jobs: with them, the sums of the ledger and the counts of running tasks are written."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.routing import RoutesSettings
from heliograph.runtime.settings.tenancy import TenancySettings


class JobStoreSettings(RoutesSettings, TenancySettings):
    """The tables that a job's record is written to, and the limits that hold for every write."""

    jobs_table: Name
    ledger_table: Name
    routes_table: Name
    job_retention_days: Annotated[int, Field(ge=91)]

    @property
    def job_retention(self) -> timedelta:
        """How long the record of an ended job is kept."""
        return timedelta(days=self.job_retention_days)


class PublishedJobsSettings(JobStoreSettings):
    """The same, and the bus that what happens to jobs and routes is published to."""

    event_bus: Name
