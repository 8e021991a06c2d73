"""The settings of `read_jobs`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings


class ReadJobsSettings(CallsTableSettings):
    """Jobs are only read here; the workflow is asked what happened to one."""

    jobs_table: Name
    state_machine_arn: Name
