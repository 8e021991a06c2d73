"""The settings of `retry`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.submission import SubmissionSettings


class RetrySettings(SubmissionSettings, CallsTableSettings):
    """A job is submitted again; how long it may take stands in its record."""
