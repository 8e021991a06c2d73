"""Settings of the function `api`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class ApiSettings(CallsTableSettings):
    """The function reads jobs, and the execution history of a job's workflow."""

    jobs_table: Name
    state_machine_arn: Name
