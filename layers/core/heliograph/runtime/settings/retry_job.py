"""Settings of the function `retry_job`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.submission import SubmissionSettings


class RetryJobSettings(SubmissionSettings, CallsTableSettings):
    """The function submits jobs again; their deadlines are in their records."""
