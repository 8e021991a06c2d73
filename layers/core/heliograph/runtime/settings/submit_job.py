"""Settings of the function `submit_job`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.submission import RequestSubmissionSettings
from heliograph.runtime.settings.waits import WaitsSettings


class SubmitJobSettings(RequestSubmissionSettings, CallsTableSettings, WaitsSettings):
    """The function submits jobs of API calls."""

    reuse_table: Name
