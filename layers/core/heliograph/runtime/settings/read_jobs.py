"""Settings of the function `read_jobs`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class ReadJobsSettings(CallsTableSettings):
    """The function reads jobs, and the execution history of a job's workflow."""

    jobs_table: Name
    state_machine_arn: Name
