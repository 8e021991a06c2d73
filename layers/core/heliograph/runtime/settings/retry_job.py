"""The settings of `retry_job`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.submission import SubmissionSettings


class RetryJobSettings(SubmissionSettings, CallsTableSettings):
    """A job is submitted again; how long it may take stands in its record."""
