"""The settings of `submit_job`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.submission import RequestSubmissionSettings
from heliograph.runtime.settings.waits import WaitsSettings


class SubmitJobSettings(RequestSubmissionSettings, CallsTableSettings, WaitsSettings):
    """A call of the API becomes a job."""

    reuse_table: Name
